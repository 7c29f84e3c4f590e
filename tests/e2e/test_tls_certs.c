/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Several certificates on one listener: each cell of version x what the client can verify x the name that it asks for,
 * with openssl as the client. Then what small devices need: records of the size that they ask for.
 *
 * P0: RSA and ECDSA of `cert init` (for localhost, "home"); RSA for a.example, its key locked; ECDSA for *.b.example
 * with an intermediate, and the files in disorder; RSA for x.b.example. P1: RSA with a chain of two alone. P2: the same
 * with ECDSA beside.
 */
#include "e2e/e2e.h"

static void make_certificates(const struct broker *b)
{
    static const char script[] =
        "set -e; cd \"$1\"; \"$2\" cert init certs --host home >/dev/null; "
        "ca() { printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign,cRLSign\\n'; }; ca > ca.ext; "
        "leaf() { name=$1; kind=$2; by=$3; "
        "printf \"basicConstraints=CA:FALSE\\nsubjectAltName=DNS:$4\\n\" > leaf.ext; "
        "openssl req -newkey $kind -nodes -keyout $name.key -out csr -subj /CN=$name 2>/dev/null; "
        "openssl x509 -req -in csr -CA $by.crt -CAkey $by.key -CAcreateserial -days 30 -extfile leaf.ext "
        "-out $name.crt 2>/dev/null; }; "
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.crt -subj /CN=Root -days 30 2>/dev/null; "
        "openssl req -newkey rsa:2048 -nodes -keyout middle.key -out csr -subj /CN=Middle 2>/dev/null; "
        "openssl x509 -req -in csr -CA root.crt -CAkey root.key -CAcreateserial -days 30 -extfile ca.ext "
        "-out middle.crt 2>/dev/null; "
        "leaf a rsa:2048 root a.example; leaf b 'ec -pkeyopt ec_paramgen_curve:P-256' middle '*.b.example'; "
        "leaf x rsa:2048 root x.b.example; leaf long rsa:2048 middle localhost; "
        "leaf short 'ec -pkeyopt ec_paramgen_curve:P-256' root localhost; "
        "openssl pkcs8 -topk8 -v2 aes256 -in a.key -out locked.key -passout pass:open-it; echo open-it > phrase; "
        "cat root.crt middle.crt > disorder.crt; "
        "cat certs/ca.crt root.crt > trusted.crt; chmod 600 *.key phrase";
    broker_shell(b, script);
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    if (!program_exists("openssl"))
        return 0;
    make_certificates(b);
    broker_write(b, "sotto.ini",
                 ONE_LOOP "[listener.names]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n" RSA_PAIR EC_PAIR
                          "cert = a.crt\nkey = locked.key\nkey_passphrase_file = phrase\n"
                          "cert = b.crt\nkey = b.key\nchain = disorder.crt\n"
                          "cert = x.crt\nkey = x.key\n"
                          "[listener.long]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n"
                          "cert = long.crt\nkey = long.key\nchain = middle.crt\n"
                          "[listener.both]\naddress = 127.0.0.1\nport = @P2@\ntls = on\n"
                          "cert = long.crt\nkey = long.key\nchain = middle.crt\ncert = short.crt\nkey = short.key\n"
                          "[listener.plain]\naddress = 127.0.0.1\nport = @P3@\n");
    broker_start(b);
    return 0;
}

/* ---- which certificate ---- */

enum client { ANY, RSA_ONLY, ECDSA_ONLY, CLIENTS };

static const char *const options[2][CLIENTS] = {
    {"-tls1_2", "-tls1_2 -cipher ECDHE-RSA-AES128-GCM-SHA256", "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"},
    {"-tls1_3", "-tls1_3 -sigalgs rsa_pss_rsae_sha256:RSA+SHA256", "-tls1_3 -sigalgs ECDSA+SHA256"}};

/* s_client's whole output, with the chain; more: options. To be freed. */
static char *s_client(const struct broker *b, int port, const char *name, const char *more)
{
    static const char script[] =
        "exec openssl s_client -connect 127.0.0.1:$1 -showcerts -CAfile $2 $3 $4 </dev/null 2>&1";
    char number[8], named[64];
    struct program p;
    program_need("openssl");
    snprintf(number, sizeof number, "%u", b->ports[port]);
    snprintf(named, sizeof named, name != NULL ? "-servername %s" : "-noservername", name);
    program_start(&p, NULL, ARGV("sh", "-c", script, "sh", number, broker_path(b, "trusted.crt"), named, more));
    program_wait(&p);
    char *output = strdup(p.output);
    program_fini(&p);
    return output;
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void each_client_gets_what_it_can_verify(void **state)
{
    /* Which certificate each kind of client gets, by the name that it asks for; NULL: none. */
    static const struct {
        const char *name;
        const char *of[CLIENTS]; /* in the subject line */
        bool ec[CLIENTS];
        unsigned certificates;
    } cells[] = {
        {NULL, {"Sotto", "Sotto", "Sotto"}, {true, false, true}, 1},
        {"localhost", {"Sotto", "Sotto", "Sotto"}, {true, false, true}, 1},
        {"HOME", {"Sotto", "Sotto", "Sotto"}, {true, false, true}, 1},
        {"nobody.example", {"Sotto", "Sotto", "Sotto"}, {true, false, true}, 1},
        {"a.example", {"CN = a", "CN = a", NULL}, {false, false, false}, 1},
        {"m.b.example", {"CN = b", NULL, "CN = b"}, {true, true, true}, 2},
        {"x.b.example", {"CN = x", "CN = x", NULL}, {false, false, false}, 1},
        {"b.example", {"Sotto", "Sotto", "Sotto"}, {true, false, true}, 1},
        {"a.m.b.example", {"Sotto", "Sotto", "Sotto"}, {true, false, true}, 1},
    };
    for (size_t i = 0; i < 2 * CLIENTS * sizeof cells / sizeof cells[0]; i++) {
        unsigned version = i % 2, client = i / 2 % CLIENTS;
        size_t cell = i / 2 / CLIENTS;
        char *out = s_client(*state, 0, cells[cell].name, options[version][client]);
        const char *of = cells[cell].of[client];
        const char *bits = cells[cell].ec[client] ? "Server public key is 256 bit" : "Server public key is 2048 bit";
        bool own = of != NULL && strcmp(of, "Sotto") == 0;
        bool right = of == NULL ? strstr(out, "no peer certificate available") != NULL
                                : (own ? strstr(out, "issuer=CN = Sotto CA") != NULL : strstr(out, of) != NULL) &&
                                      strstr(out, bits) != NULL && strstr(out, "Verify return code: 0 (ok)") != NULL &&
                                      count(out, "BEGIN CERTIFICATE") == cells[cell].certificates;
        if (!right)
            fail_msg("TLS 1.%u, client %u, name %s:\n%.600s", 2 + version, client,
                     cells[cell].name != NULL ? cells[cell].name : "none", out);
        free(out);
    }
}

/* What was said about a client that can't verify the one for its name. */
static void the_log_names_the_name(void **state)
{
    char *out = s_client(*state, 0, "a.example", options[0][ECDSA_ONLY]);
    free(out);
    broker_expect_log(*state, "takes ECDSA certificates only, and this listener has an RSA one for a.example");
}

/* ---- small devices ---- */

/* CONNECT, SUBSCRIBE to what is retained; openssl itself refuses records that are longer than it asked for. */
static void records_are_as_long_as_asked_for(void **state)
{
    static const char script[] =
        "cd $1; rm -f in; mkfifo in; exec 3<>in; : >out; "
        "printf '\\020\\015\\000\\004MQTT\\004\\002\\000\\000\\000\\001s\\202\\011\\000\\001\\000\\004long\\000' >in; "
        "openssl s_client -quiet -connect 127.0.0.1:$2 $3 -maxfraglen $4 <in 3>&- >out 2>&1 & "
        "while kill -0 $! 2>/dev/null && test $(wc -c <out) -lt 40000; do sleep 0.02; done; "
        "printf '\\340\\000' >in; exec 3>&-; wait $!; wc -c <out";
    const struct broker *b = *state;
    program_need("openssl");
    struct peer *p = client(b->ports[3], "keeper");
    char *text = calloc(1, 40000);
    memset(text, 'x', 39999);
    peer_packet(p, 0x31, "<long> '%s'", text);
    peer_ping(p);
    for (unsigned i = 0; i < 16; i++) {
        char port[8], length[8];
        struct program sh;
        snprintf(port, sizeof port, "%u", b->ports[1 + i / 8]);
        snprintf(length, sizeof length, "%u", 512u << i % 4);
        program_run(&sh, 0, NULL,
                    ARGV("sh", "-c", script, "sh", b->dir, port, i / 4 % 2 ? "-tls1_2" : "-tls1_3", length));
        if (atoi(sh.output) < 40000)
            fail_msg("%s, %s: %s", length, i / 4 % 2 ? "TLS 1.2" : "TLS 1.3", sh.output);
        program_fini(&sh);
    }
    peer_packet(p, 0x31, "<long>");
    peer_disconnect(p);
    free(text);
}

/* A device with records of 1 KiB can't take a certificate message of 2: it gets the shorter one where there is one. */
static void the_shorter_certificate_goes_to_short_records(void **state)
{
    const struct broker *b = *state;
    struct program p;
    char port[8];
    const char *mbedtls = program_of_ours_need("mbedtls_client");
    if (b->pid == 0)
        skip();
    snprintf(port, sizeof port, "%u", b->ports[2]);
    program_run(&p, 0, NULL,
                ARGV(mbedtls, "localhost", port, broker_path(b, "trusted.crt"), "trusting", "1024", "any"));
    if (strstr(p.output, "ECDHE-ECDSA") == NULL || strstr(p.output, "done") == NULL)
        fail_msg("%s", p.output);
    program_fini(&p);
    /* With RSA alone it can't: said with the sizes. */
    snprintf(port, sizeof port, "%u", b->ports[1]);
    program_start(&p, NULL, ARGV(mbedtls, "localhost", port, broker_path(b, "trusted.crt"), "trusting", "1024", "any"));
    program_wait(&p);
    assert_int_not_equal(p.status, 0);
    program_fini(&p);
    broker_expect_log(b, "the client wants records of 1024 bytes, and the certificate message has 1");
    /* And with records of 4 KiB it can. */
    program_run(&p, 0, NULL,
                ARGV(mbedtls, "localhost", port, broker_path(b, "trusted.crt"), "trusting", "4096", "any"));
    program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_client_gets_what_it_can_verify),
        cmocka_unit_test(the_log_names_the_name),
        cmocka_unit_test(records_are_as_long_as_asked_for),
        cmocka_unit_test(the_shorter_certificate_goes_to_short_records),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
