/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Client certificates: who gets in, under which name, with which rights, and what is said of those who don't. */
#include "e2e/e2e.h"
#include "e2e/tls_client.h"

/* By port. */
enum { PLAIN, NONE, OPTIONAL, REQUIRED };

/*
 * In DIR/certs a CA with alice, gone (revoked) and, by openssl, ended, early, server-only, nameless, old (X.509 v1),
 * forger with a certificate that the forger made for alice; in DIR/others another CA with eve.
 */
static const char make_certs[] =
    "set -e; cd \"$1\"; sotto=$2; "
    "$sotto cert init certs; $sotto cert init others; "
    "$sotto cert client certs alice; $sotto cert client certs gone --rsa; $sotto cert client others eve; "
    "$sotto cert client certs forger; $sotto cert revoke certs gone; cd certs; "
    "mkdir ca; touch ca/index.txt; echo 1000 > ca/serial; "
    "printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=ca/index.txt\\nserial=ca/serial\\nnew_certs_dir=ca\\n"
    "default_md=sha256\\npolicy=p\\nunique_subject=no\\ncopy_extensions=copy\\n[p]\\ncommonName=optional\\n"
    "organizationName=optional\\n' > ca.cnf; "
    "request() { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr "
    "-subj \"$2\" -addext \"${3:-extendedKeyUsage=clientAuth}\"; }; "
    "sign() { openssl ca -batch -config ca.cnf -cert ca.crt -keyfile ca.key -in $1.csr -out $1.crt -notext "
    "-startdate $2 -enddate $3; }; "
    "request ended /CN=ended; sign ended 20240101000000Z 20250101000000Z; "
    "request early /CN=early; sign early 20600101000000Z 20610101000000Z; "
    "request server-only /CN=server-only extendedKeyUsage=serverAuth; sign server-only 20240101000000Z "
    "20490101000000Z; "
    "request nameless /O=nobody; sign nameless 20240101000000Z 20490101000000Z; "
    "request star '/CN=*' ; sign star 20240101000000Z 20490101000000Z; "
    "request san /CN=ignored subjectAltName=email:mail@x,URI:urn:x,DNS:dns.x,DNS:second.x; "
    "sign san 20240101000000Z 20490101000000Z; "
    "request mail /CN=ignored subjectAltName=URI:urn:x,email:mail@x; sign mail 20240101000000Z 20490101000000Z; "
    "request uri /CN=ignored subjectAltName=IP:127.0.0.1,URI:urn:x; sign uri 20240101000000Z 20490101000000Z; "
    "request old /CN=old; openssl x509 -req -in old.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "
    "old.crt; "
    "printf 'extendedKeyUsage=clientAuth\\n' > leaf.ext; request forged /CN=alice; openssl x509 -req -in forged.csr "
    "-CA forger.crt -CAkey forger.key -CAcreateserial "
    "-days 30 -extfile leaf.ext -out forged.crt; "
    "openssl x509 -in alice.crt -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256 -binary | "
    "basenc --base64url | tr -d '=\\n' > alice.spki; "
    "chmod 600 *.key";

static const char listener[] = "address = 127.0.0.1\ntls = on\n" RSA_PAIR;

static void make(struct broker *b)
{
    if (!program_exists("openssl") || !program_exists("basenc")) {
        print_message("skipped: there is no openssl\n");
        skip();
    }
    broker_shell(b, make_certs);
}

static void configure(struct broker *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void configure(struct broker *b, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    broker_write(b, "sotto.ini", text);
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    if (!program_exists("openssl"))
        return 0;
    make(b);
    broker_write(b, "users.ini", "[*]\nsubscribe = #\n[alice]\npublish = home/%u/#\n");
    configure(b,
              TWO_LOOPS
              "users = users.ini\n"
              "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
              "[listener.none]\nport = @P1@\n%s"
              "[listener.optional]\nport = @P2@\n%sclient_ca = certs/ca.crt\nclient_cert = optional\n"
              "client_cert_user = cn\ncrl = certs/crl.pem\n"
              "[listener.required]\nport = @P3@\n%sclient_ca = certs/ca.crt\nclient_cert = required\n"
              "client_cert_user = cn\ncrl = certs/crl.pem\n",
              listener, listener, listener);
    broker_start(b);
    return 0;
}

static void each_version_mode_and_certificate(void **state)
{
    static const struct {
        const char *cert;
        enum outcome none, optional, required;
        const char *words;
    } cases[] = {
        {NULL, LET_IN, LET_IN, TLS_REFUSED, "the client showed no certificate, and this listener asks for one"},
        {"certs/alice", LET_IN, LET_IN, LET_IN, "user=\"alice\""},
        {"certs/old", LET_IN, TLS_REFUSED, TLS_REFUSED, "is of X.509 version 1, which TLS does not allow (old, "},
        {"others/eve", LET_IN, TLS_REFUSED, TLS_REFUSED, "is of a CA that is not in client_ca (eve, issued by "},
        {"certs/ended", LET_IN, TLS_REFUSED, TLS_REFUSED, "has ended, or one that it depends on has (ended, "},
        {"certs/early", LET_IN, TLS_REFUSED, TLS_REFUSED, "is not valid yet, or one that it depends on isn't (early, "},
        {"certs/gone", LET_IN, TLS_REFUSED, TLS_REFUSED, "was revoked (gone, "},
        {"certs/server", LET_IN, TLS_REFUSED, TLS_REFUSED, "is not for client authentication"},
        {"certs/server-only", LET_IN, TLS_REFUSED, TLS_REFUSED, "(server-only, issued by "},
        {"certs/nameless", LET_IN, TLS_REFUSED, TLS_REFUSED, "has no common name"},
        {"certs/star", LET_IN, TLS_REFUSED, TLS_REFUSED, "can't be a user's name"},
        {"certs/forged", LET_IN, TLS_REFUSED, TLS_REFUSED,
         "is of a CA that is not in client_ca (alice, issued by forger)"},
    };
    struct broker *b = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const enum outcome expected[] = {
            [NONE] = cases[i].none, [OPTIONAL] = cases[i].optional, [REQUIRED] = cases[i].required};
        const char *cert = cases[i].cert != NULL ? broker_path(b, cases[i].cert) : NULL;
        for (int at = 2 * NONE; at < 2 * (REQUIRED + 1); at++) {
            struct visit v = {.port = b->ports[at / 2], .minor = 2 + at % 2, .cert = cert};
            enum outcome o = visit(&v);
            if (o != expected[at / 2])
                fail_msg("%s at listener %d in TLS 1.%d: outcome %d", cases[i].cert, at / 2, v.minor, o);
        }
        broker_expect_log(b, cases[i].words);
    }
}

/* The forger sends its own certificate along as if it were a CA. */
static void a_client_is_no_ca(void **state)
{
    struct broker *b = *state;
    for (int minor = 2; minor <= 3; minor++) {
        struct visit v = {.port = b->ports[REQUIRED],
                          .minor = minor,
                          .cert = broker_path(b, "certs/forged"),
                          .chain = broker_path(b, "certs/forger.crt")};
        assert_int_equal(visit(&v), TLS_REFUSED);
        /* And what was seen of it once is not remembered as one. */
        v.chain = NULL;
        assert_int_equal(visit(&v), TLS_REFUSED);
    }
}

static void mosquitto(struct broker *b, int status, const char *program, uint16_t port, const char *const more[])
{
    char text[16];
    const char *argv[32] = {program, "-h", "localhost", "-p", text, "--cafile", broker_path(b, "certs/ca.crt")};
    size_t n = 7;
    struct program p;
    program_need(program);
    snprintf(text, sizeof text, "%u", port);
    for (; *more != NULL; more++)
        argv[n++] = *more;
    program_run(&p, status, NULL, argv);
    program_fini(&p);
}

static void the_name_in_the_certificate_decides_what_is_allowed(void **state)
{
    struct broker *b = *state;
    const char *cert = broker_path(b, "certs/alice.crt"), *key = broker_path(b, "certs/alice.key");
    struct peer *watcher = client(b->ports[PLAIN], "watcher");
    peer_subscribe(watcher, 1, "#", 0);
    mosquitto(b, 0, "mosquitto_pub", b->ports[REQUIRED],
              ARGV("--cert", cert, "--key", key, "-u", "mallory", "-t", "home/mallory/x", "-m", "no"));
    mosquitto(b, 0, "mosquitto_pub", b->ports[REQUIRED],
              ARGV("--cert", cert, "--key", key, "-u", "mallory", "-t", "home/alice/x", "-m", "yes"));
    peer_expect_publish(watcher, 0, "home/alice/x", "yes");
    /* Without a section: [*] and nothing else. */
    mosquitto(b, 0, "mosquitto_pub", b->ports[REQUIRED],
              ARGV("--cert", broker_path(b, "certs/san.crt"), "--key", broker_path(b, "certs/san.key"), "-t",
                   "home/ignored/x", "-m", "no"));
    mosquitto(b, 0, "mosquitto_pub", b->ports[REQUIRED],
              ARGV("--cert", cert, "--key", key, "-t", "home/alice/x", "-m", "last"));
    peer_expect_publish(watcher, 0, "home/alice/x", "last");
    peer_disconnect(watcher);
}

static void gnutls(struct broker *b, uint16_t port, int minor, const char *cert, bool gets_in)
{
    char where[16], priority[64], crt[256], key[256];
    struct program p;
    program_need("gnutls-cli");
    snprintf(where, sizeof where, "%u", port);
    snprintf(priority, sizeof priority, "NORMAL:-VERS-ALL:+VERS-TLS1.%d", minor);
    snprintf(crt, sizeof crt, "%s.crt", broker_path(b, cert));
    snprintf(key, sizeof key, "%s.key", broker_path(b, cert));
    /* What it sends is no MQTT; that the broker says so, and not TLS, means that it got in. */
    program_start_open(&p, "hello\n",
                       ARGV("gnutls-cli", "--x509cafile", broker_path(b, "certs/ca.crt"), "--priority", priority,
                            "--x509certfile", crt, "--x509keyfile", key, "-p", where, "localhost"));
    program_wait(&p);
    bool told = strstr(p.output, "Fatal error") != NULL || strstr(p.output, "fatal alert") != NULL;
    if (told == gets_in)
        fail_msg("gnutls-cli with %s in TLS 1.%d:\n%s", cert, minor, p.output);
    program_fini(&p);
}

static void gnutls_agrees(void **state)
{
    struct broker *b = *state;
    for (int minor = 2; minor <= 3; minor++) {
        gnutls(b, b->ports[REQUIRED], minor, "certs/alice", true);
        gnutls(b, b->ports[REQUIRED], minor, "certs/gone", false);
        gnutls(b, b->ports[OPTIONAL], minor, "certs/ended", false);
    }
}

/* A ticket of a listener that asks for nothing opens none that asks; and such a one gives no tickets. */
static void tickets_are_no_way_round(void **state)
{
    struct broker *b = *state;
    char out[128], in[128];
    snprintf(out, sizeof out, "-sess_out %s", broker_path(b, "session"));
    snprintf(in, sizeof in, "-sess_in %s", broker_path(b, "session"));
    for (int minor = 2; minor <= 3; minor++) {
        struct visit v = {.port = b->ports[NONE], .minor = minor, .more = out};
        assert_int_equal(visit(&v), LET_IN);
        v.more = in;
        assert_int_equal(visit(&v), LET_IN);
        v.port = b->ports[REQUIRED];
        assert_int_equal(visit(&v), TLS_REFUSED);
        /* Its own: by a client with a certificate first, and then without. */
        v = (struct visit){
            .port = b->ports[REQUIRED], .minor = minor, .cert = broker_path(b, "certs/alice"), .more = out};
        assert_int_equal(visit(&v), LET_IN);
        v.cert = NULL;
        v.more = in;
        assert_int_equal(visit(&v), TLS_REFUSED);
    }
}

/* ---- with brokers of their own ---- */

static void copy_certs(struct broker *to, const struct broker *from)
{
    struct program sh;
    program_run(&sh, 0, NULL, ARGV("cp", "-r", broker_path(from, "certs"), to->dir));
    program_fini(&sh);
}

static void expect(struct broker *b, int port, const char *cert, const char *user)
{
    char line[128];
    for (int minor = 2; minor <= 3; minor++) {
        struct visit v = {.port = b->ports[port], .minor = minor, .cert = broker_path(b, cert), .user = "other"};
        assert_int_equal(visit(&v), user != NULL ? LET_IN : TLS_REFUSED);
    }
    snprintf(line, sizeof line, "user=\"%s\" version", user);
    if (user != NULL)
        broker_expect_log(b, line);
}

static void names_come_from_alternative_names_and_keys(void **state)
{
    struct broker b;
    broker_init(&b);
    copy_certs(&b, *state);
    broker_write(&b, "users.ini", "[*]\nsubscribe = #\n");
    configure(
        &b,
        "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
        "[listener.san]\nport = @P0@\n%sclient_ca = certs/ca.crt\nclient_cert = required\nclient_cert_user = san\n"
        "[listener.spki]\nport = @P1@\n%sclient_ca = certs/ca.crt\nclient_cert = required\nclient_cert_user = spki\n"
        "[listener.gate]\nport = @P2@\n%sclient_ca = certs/ca.crt\nclient_cert = required\n",
        listener, listener, listener);
    broker_passwd(&b, "bob", "secret");
    broker_start(&b);
    expect(&b, 0, "certs/san", "dns.x");
    expect(&b, 0, "certs/mail", "mail@x");
    expect(&b, 0, "certs/uri", "urn:x");
    expect(&b, 0, "certs/alice", NULL);
    broker_expect_log(&b, "has no alternative name");
    char *spki = broker_read_file(&b, "certs/alice.spki");
    struct program show;
    program_run(&show, 0, NULL, ARGV(sotto_bin(), "cert", "show", broker_path(&b, "certs/alice.crt")));
    if (strstr(show.output, spki) == NULL)
        fail_msg("%s is not in:\n%s", spki, show.output);
    program_fini(&show);
    expect(&b, 1, "certs/alice", spki);
    free(spki);
    /* No name from the certificate: it opens the door, and the rest is as everywhere. */
    struct visit v = {.port = b.ports[2], .minor = 3, .cert = broker_path(&b, "certs/alice")};
    assert_int_equal(visit(&v), MQTT_REFUSED_NONE);
    v.user = "alice";
    assert_int_equal(visit(&v), MQTT_REFUSED_BAD);
    v.user = "bob";
    v.password = "secret";
    assert_int_equal(visit(&v), LET_IN);
    broker_stop(&b);
    broker_fini(&b);
}

static void passwords_besides_certificates(void **state)
{
    /* Password given: none, right, wrong, of another user. By rule: required, optional, none. */
    static const char *const passwords[] = {NULL, "secret", "wrong", "other"};
    static const enum outcome expected[3][4] = {
        {MQTT_REFUSED_NONE, LET_IN, MQTT_REFUSED_BAD, MQTT_REFUSED_BAD},
        {LET_IN, LET_IN, MQTT_REFUSED_BAD, MQTT_REFUSED_BAD},
        {LET_IN, LET_IN, LET_IN, LET_IN},
    };
    struct broker b;
    char section[256];
    broker_init(&b);
    copy_certs(&b, *state);
    snprintf(section, sizeof section, "%sclient_ca = certs/ca.crt\nclient_cert = optional\nclient_cert_user = cn\n",
             listener);
    configure(&b,
              "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
              "[listener.a]\nport = @P0@\n%spassword = required\n[listener.b]\nport = @P1@\n%s"
              "[listener.c]\nport = @P2@\n%spassword = none\n",
              section, section, section);
    broker_passwd(&b, "alice", "secret");
    broker_passwd(&b, "bob", "other");
    broker_start(&b);
    for (int i = 0; i < 12; i++) {
        struct visit v = {.port = b.ports[i / 4],
                          .minor = 2 + i % 2,
                          .cert = broker_path(&b, "certs/alice"),
                          .user = "bob",
                          .password = passwords[i % 4]};
        enum outcome o = visit(&v);
        if (o != expected[i / 4][i % 4])
            fail_msg("listener %d, password %d: outcome %d", i / 4, i % 4, o);
        /* Who shows no certificate logs in as everywhere. */
        v.cert = NULL;
        o = visit(&v);
        if (o != (i % 4 == 3 ? LET_IN : MQTT_REFUSED_BAD))
            fail_msg("listener %d, password %d, no certificate: outcome %d", i / 4, i % 4, o);
    }
    broker_expect_log(&b, "no password was given, and this listener asks for one besides the certificate or key");
    broker_stop(&b);
    broker_fini(&b);
}

/* What is stored of a user without a section has the rights of [*] after a restart, too: here a will that is due then.
 */
static void a_restart_keeps_the_rights_of_an_identity(void **state)
{
    struct broker b;
    broker_init(&b);
    copy_certs(&b, *state);
    broker_write(&b, "users.ini", "[*]\nsubscribe = #\npublish = gone/%u\n");
    configure(&b,
              "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
              "[listener.a]\nport = @P0@\n%sclient_ca = certs/ca.crt\nclient_cert = required\nclient_cert_user = cn\n"
              "[listener.b]\naddress = 127.0.0.1\nport = @P1@\nanonymous = on\n",
              listener);
    broker_start(&b);
    struct peer *p = peer_tls_with(b.ports[0], broker_path(&b, "certs/ca.crt"), broker_path(&b, "certs/alice.crt"),
                                   broker_path(&b, "certs/alice.key"));
    /* Session expiry an hour, will delay 3 s; retained, since it may be due before the watcher is there. */
    peer_packet(p, 0x10, "<MQTT> 05 26 0000 05 11 00000e10 <alices> 05 18 00000003 <gone/alice> <late>");
    uint8_t *body;
    size_t n;
    assert_int_equal(peer_read_packet(p, &body, &n), 0x20);
    assert_int_equal(body[1], 0);
    free(body);
    peer_abort(p);
    broker_stop(&b);
    broker_start(&b);
    struct peer *watcher = client(b.ports[1], "watcher");
    peer_subscribe(watcher, 1, "gone/#", 0);
    uint8_t first = peer_read_packet(watcher, &body, &n);
    assert_int_equal(first & 0xf6, 0x30);
    assert_int_equal(n, 16);
    assert_memory_equal(body, "\0\x0agone/alicelate", 16);
    free(body);
    peer_disconnect(watcher);
    broker_stop(&b);
    broker_fini(&b);
}

/* root, middle (revoked: bad), leaves under each, and a chain that is too long. */
static const char make_chains[] =
    "set -e; cd \"$1\"; "
    "mkdir ca; touch ca/root.txt ca/middle.txt; echo 01 > ca/n; "
    "for c in root middle bad; do printf \"[ca]\\ndefault_ca=d\\n[d]\\ndatabase=ca/$c.txt\\ndefault_md=sha256\\n\" > "
    "$c.cnf; "
    "touch ca/$c.txt; done; "
    "printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\n' > ca.ext; "
    "printf 'extendedKeyUsage=clientAuth\\n' > leaf.ext; "
    "key() { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj "
    "/CN=$1; }; "
    "sign() { key $1; openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -days 30 -extfile $3.ext "
    "-out $1.crt; }; "
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.crt -subj "
    "/CN=root "
    "-days 30; "
    "sign middle root ca; sign bad root ca; sign deep middle leaf; sign below-bad bad leaf; "
    "sign lost middle leaf; "
    "openssl ca -config root.cnf -cert root.crt -keyfile root.key -revoke bad.crt; "
    "openssl ca -config middle.cnf -cert middle.crt -keyfile middle.key -revoke lost.crt; "
    "for c in root middle bad; do openssl ca -gencrl -config $c.cnf -cert $c.crt -keyfile $c.key -crldays 30 -out "
    "$c.crl; done; "
    "cat root.crl middle.crl bad.crl > crl.pem; cat root.crt middle.crt bad.crt > cas.pem; "
    "p=root; for i in 1 2 3 4 5 6 7 8 9 10 11; do sign c$i $p ca; p=c$i; done; sign far $p leaf; "
    "for i in 11 10 9 8 7 6 5 4 3 2 1; do cat c$i.crt; done > far.chain; "
    "sign near c3 leaf; cat c3.crt c2.crt c1.crt > near.chain; "
    "cp \"$2\"/certs/server.* .; chmod 600 *.key";

static void chains_with_intermediate_cas(void **state)
{
    struct broker b;
    struct program sh;
    static const char section[] =
        "address = 127.0.0.1\ntls = on\ncert = server.crt\nkey = server.key\n"
        "client_cert = required\nclient_cert_user = cn\n";
    broker_init(&b);
    program_run(&sh, 0, NULL, ARGV("sh", "-c", make_chains, "sh", b.dir, ((struct broker *)*state)->dir));
    program_fini(&sh);
    broker_write(&b, "users.ini", "[*]\nsubscribe = #\n");
    configure(&b,
              "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
              "[listener.root]\nport = @P0@\nclient_ca = root.crt\n%s"
              "[listener.crl]\nport = @P1@\nclient_ca = cas.pem\ncrl = crl.pem\n%s"
              "[listener.middle]\nport = @P2@\nclient_ca = middle.crt\ncrl = middle.crl\n%s",
              section, section, section);
    broker_start(&b);
    for (int minor = 2; minor <= 3; minor++) {
        struct visit v = {.port = b.ports[0], .minor = minor, .cert = broker_path(&b, "deep")};
        /* Before and after somebody has brought the intermediate CA along. */
        assert_int_equal(visit(&v), TLS_REFUSED);
        v.chain = broker_path(&b, "middle.crt");
        assert_int_equal(visit(&v), LET_IN);
        v.chain = NULL;
        assert_int_equal(visit(&v), TLS_REFUSED);
        v.port = b.ports[1];
        assert_int_equal(visit(&v), LET_IN); /* the broker has the intermediate CA itself */
        v.chain = broker_path(&b, "middle.crt");
        assert_int_equal(visit(&v), LET_IN);
        /* An intermediate CA that was revoked. */
        struct visit bad = {.port = b.ports[1], .minor = minor, .cert = broker_path(&b, "below-bad")};
        bad.chain = broker_path(&b, "bad.crt");
        assert_int_equal(visit(&bad), TLS_REFUSED);
        /* Where client_ca begins with the intermediate CA, nobody asks for a list of the root. */
        struct visit middle = {.port = b.ports[2], .minor = minor, .cert = broker_path(&b, "deep")};
        assert_int_equal(visit(&middle), LET_IN);
        middle.chain = broker_path(&b, "middle.crt");
        assert_int_equal(visit(&middle), LET_IN);
        for (unsigned port = 1; port < 3; port++) {
            struct visit lost = {.port = b.ports[port], .minor = minor, .cert = broker_path(&b, "lost")};
            assert_int_equal(visit(&lost), TLS_REFUSED);
            lost.chain = broker_path(&b, "middle.crt");
            assert_int_equal(visit(&lost), TLS_REFUSED);
        }
        struct visit near = {.port = b.ports[0], .minor = minor, .cert = broker_path(&b, "near")};
        near.chain = broker_path(&b, "near.chain");
        assert_int_equal(visit(&near), LET_IN);
        struct visit far = {.port = b.ports[0], .minor = minor, .cert = broker_path(&b, "far")};
        far.chain = broker_path(&b, "far.chain");
        assert_int_equal(visit(&far), TLS_REFUSED);
    }
    broker_expect_log(&b, "comes without the intermediate CAs that lead to client_ca");
    broker_stop(&b);
    broker_fini(&b);
}

/* A list that is good for so long; the earliest moment, as seconds_now(), at which it may end. */
static double write_list(struct broker *b, unsigned seconds)
{
    char text[16];
    struct program sh;
    double began = seconds_now();
    snprintf(text, sizeof text, "%u", seconds);
    program_run(&sh, 0, NULL,
                ARGV("sh", "-c",
                     "cd \"$1\"/certs && openssl ca -gencrl -config ca.cnf -cert ca.crt -keyfile ca.key -crlsec $2 "
                     "-out short.pem",
                     "sh", b->dir, text));
    program_fini(&sh);
    return began + seconds;
}

static void a_list_that_ends_closes_the_door(void **state)
{
    struct broker b;
    broker_init(&b);
    copy_certs(&b, *state);
    broker_write(&b, "users.ini", "[*]\nsubscribe = #\n");
    configure(&b,
              "[broker]\nthreads = 1\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
              "[listener.crl]\nport = @P0@\n%sclient_ca = certs/ca.crt\nclient_cert = required\nclient_cert_user = cn\n"
              "crl = certs/short.pem\n",
              listener);
    /* Longer and longer, until we get there before its end: how fast this machine is must not matter. */
    double ended = 0; /* from then on it is over */
    struct visit v;
    bool before_its_end = false;
    double began = seconds_now();
    write_list(&b, 3600);
    broker_start(&b);
    unsigned seconds = 2 + (unsigned)(5 * (seconds_now() - began));
    for (; !before_its_end; seconds *= 2) {
        broker_stop(&b);
        double end = write_list(&b, seconds);
        ended = seconds_now() + seconds + 2;
        broker_start(&b);
        v = (struct visit){.port = b.ports[0], .minor = 3, .cert = broker_path(&b, "certs/alice")};
        enum outcome o = visit(&v);
        before_its_end = seconds_now() < end;
        if (before_its_end)
            assert_int_equal(o, LET_IN);
    }
    while (seconds_now() < ended)
        pause_ms(100);
    assert_int_equal(visit(&v), TLS_REFUSED);
    broker_expect_log(&b, "has ended on");
    broker_stop(&b);
    /* Nor does a broker start with it. */
    struct program p;
    program_run(&p, 1, NULL, ARGV(sotto_bin(), "check", "-c", broker_path(&b, "sotto.ini")));
    if (strstr(p.output, "crl: ") == NULL || strstr(p.output, " ended on ") == NULL)
        fail_msg("%s", p.output);
    program_fini(&p);
    program_run(&p, 1, NULL, ARGV(sotto_bin(), "run", "-c", broker_path(&b, "sotto.ini")));
    program_fini(&p);
    broker_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_mode_and_certificate),
        cmocka_unit_test(a_client_is_no_ca),
        cmocka_unit_test(the_name_in_the_certificate_decides_what_is_allowed),
        cmocka_unit_test(gnutls_agrees),
        cmocka_unit_test(tickets_are_no_way_round),
        cmocka_unit_test(names_come_from_alternative_names_and_keys),
        cmocka_unit_test(passwords_besides_certificates),
        cmocka_unit_test(a_restart_keeps_the_rights_of_an_identity),
        cmocka_unit_test(chains_with_intermediate_cas),
        cmocka_unit_test(a_list_that_ends_closes_the_door),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
