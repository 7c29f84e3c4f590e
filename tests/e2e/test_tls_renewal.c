/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of TLS that change while the broker runs, in all the ways in which tools change them; who was connected stays.
 * openssl looks at what is served.
 */
#include "e2e/e2e.h"
#include "e2e/tls_client.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEY "8f1c9e3a5b7d2f4c6e8a0b1d3f5c7e9a2b4d6f8c1e3a5b7d9f0c2e4a6b8d0f1c"
#define OTHER "1111111111111111111111111111111111111111111111111111111111111111"

/* Made once: a CA of ours with a client, and a.crt to c.crt of another CA, for localhost. */
static struct broker store;
/* Its files were changed at the beginning, see the last test. */
static struct broker silent;

/* In the broker's folder; $S: the store, $B: the program. */
static void shell(const struct broker *b, const char *script)
{
    char text[4096];
    struct program p;
    snprintf(text, sizeof text, "set -e; cd '%s'; S='%s'; B='%s'; %s", b->dir, store.dir, sotto_bin(), script);
    program_run(&p, 0, NULL, ARGV("sh", "-c", text));
    program_fini(&p);
}

static int make_store(void **state)
{
    (void)state;
    broker_init(&store);
    if (!program_exists("openssl"))
        return 0;
    shell(&store,
          "$B cert init ours >/dev/null; $B cert client ours dev >/dev/null; $B cert client ours other >/dev/null; "
          "$B cert revoke ours other >/dev/null; cp ours/crl.pem first.pem; $B cert revoke ours dev >/dev/null; "
          "cp ours/crl.pem second.pem; "
          "ec='ec -pkeyopt ec_paramgen_curve:P-256'; "
          "openssl req -x509 -newkey $ec -nodes -keyout root.key -out root.crt -subj /CN=Root -days 30 2>/dev/null; "
          "printf 'basicConstraints=critical,CA:TRUE\\n' > ca.ext; "
          "printf 'basicConstraints=CA:FALSE\\nsubjectAltName=DNS:localhost\\n' > leaf.ext; "
          "sign() { openssl x509 -req -in csr -CA $1.crt -CAkey $1.key -CAcreateserial -days $2 -extfile $3.ext "
          "-out $4.crt 2>/dev/null; }; "
          "leaf() { openssl req -newkey $ec -nodes -keyout $1.key -out csr -subj /CN=$1 2>/dev/null; "
          "sign $2 $3 leaf $1; }; "
          "openssl req -newkey $ec -nodes -keyout middle.key -out csr -subj /CN=Middle 2>/dev/null; "
          "sign root 30 ca middle; "
          "leaf a root 90; leaf b root 90; leaf c root 90; leaf soon root 5; leaf old root 0; leaf low middle 90; "
          "cat low.crt middle.crt > full.crt; chmod 600 *.key");
    return 0;
}

static int drop_store(void **state)
{
    (void)state;
    broker_fini(&store);
    return 0;
}

/* P0: TLS with server.crt and server.key, which are a's. P1: as config says. */
static void start(struct broker *b, const char *broker_section, const char *config)
{
    char text[4096];
    program_need("openssl");
    if (access(broker_path(b, "server.crt"), F_OK) != 0)
        shell(b, "cp $S/a.crt server.crt; cp $S/a.key server.key");
    snprintf(text, sizeof text,
             "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n%s[auth]\nanonymous = on\n"
             "[listener.tls]\naddress = 127.0.0.1\nport = @P0@\ntls = on\ncert = server.crt\nkey = server.key\n%s",
             broker_section, config);
    broker_write(b, "sotto.ini", text);
    broker_start(b);
}

static unsigned count(const struct broker *b, const char *what)
{
    char *log = broker_log(b);
    unsigned n = 0;
    for (const char *p = log; (p = strstr(p, what)) != NULL; p++)
        n++;
    free(log);
    return n;
}

static void wait_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* Until the log has it so often. */
static void await(const struct broker *b, const char *what, unsigned n)
{
    for (struct waiting w = {0}; waiting(&w);) {
        if (count(b, what) >= n)
            return;
    }
    print_message("%s", broker_log(b));
    fail_msg("not %u times in the log: %s", n, what);
}

/* The common name of the certificate that a new connection gets. */
static const char *served(const struct broker *b, int port)
{
    static const char script[] =
        "openssl s_client -connect 127.0.0.1:$1 -servername localhost </dev/null 2>/dev/null | sed -n 's/^subject=CN = "
        "//p'";
    static char name[64];
    char number[8];
    struct program p;
    snprintf(number, sizeof number, "%u", b->ports[port]);
    program_start(&p, NULL, ARGV("sh", "-c", script, "sh", number));
    program_wait(&p);
    snprintf(name, sizeof name, "%.*s", (int)strcspn(p.output, "\n"), p.output);
    program_fini(&p);
    return name;
}

static struct peer *live(struct broker *b)
{
    struct peer *p = peer_tls(b->ports[0], broker_path(&store, "root.crt"), 0);
    peer_connect(p, "live", true, false);
    return p;
}

/* ---- ways to put a pair in place ---- */

static void each_way_of_replacing_is_seen(void **state)
{
    static const struct {
        const char *way, *prepare, *change;
    } ways[] = {
        {"rename", "cp $S/a.crt server.crt; cp $S/a.key server.key",
         "cp $S/b.crt new.crt; cp $S/b.key new.key; mv new.key server.key; mv new.crt server.crt"},
        {"in place", "cp $S/a.crt server.crt; cp $S/a.key server.key",
         "cat $S/b.crt > server.crt; sleep 0.3; cat $S/b.key > server.key"},
        {"certbot",
         "mkdir archive live; cp $S/a.crt archive/cert1.pem; cp $S/a.key archive/key1.pem; "
         "cd live; ln -s ../archive/cert1.pem cert.pem; ln -s ../archive/key1.pem key.pem; cd ..; "
         "ln -s live/cert.pem server.crt; ln -s live/key.pem server.key",
         "cp $S/b.crt archive/cert2.pem; cp $S/b.key archive/key2.pem; "
         "cd live; ln -sf ../archive/cert2.pem cert.pem; ln -sf ../archive/key2.pem key.pem"},
        {"kubernetes",
         "mkdir ..1; cp $S/a.crt ..1/server.crt; cp $S/a.key ..1/server.key; ln -s ..1 ..data; "
         "ln -s ..data/server.crt server.crt; ln -s ..data/server.key server.key",
         "mkdir ..2; cp $S/b.crt ..2/server.crt; cp $S/b.key ..2/server.key; ln -s ..2 ..new; mv -T ..new ..data; "
         "rm -r ..1"},
        {"folder",
         "mkdir certs; cp $S/a.crt certs/server.crt; cp $S/a.key certs/server.key; "
         "ln -s certs/server.crt server.crt; ln -s certs/server.key server.key",
         "mkdir next; cp $S/b.crt next/server.crt; cp $S/b.key next/server.key; mv certs before; mv next certs"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct broker b;
        broker_init(&b);
        program_need("openssl");
        shell(&b, ways[i].prepare);
        start(&b, "", "");
        struct peer *p = live(&b);
        assert_string_equal(served(&b, 0), "a");
        shell(&b, ways[i].change);
        await(&b, "info tls.renewed listener=tls changed=\"server.crt, server.key\" for=localhost until=20", 1);
        if (strcmp(served(&b, 0), "b") != 0)
            fail_msg("%s: not the new certificate", ways[i].way);
        assert_int_equal(count(&b, "tls.refused_files"), 0);
        peer_ping(p);
        peer_disconnect(p);
        broker_stop(&b);
        broker_fini(&b);
    }
}

/* ---- what is bad ---- */

static void what_is_bad_is_refused_and_the_old_stays(void **state)
{
    static const struct {
        const char *change, *why;
    } bad[] = {
        {"cp $S/b.key server.key", "server.key is not the key of the certificate"},
        {"rm server.key", "server.key does not exist"},
        {"cp $S/a.key server.key; cp $S/b.crt server.crt", "server.key is not the key of the certificate"},
        {"echo half > server.crt", "server.crt holds no certificate"},
        {"cp $S/old.crt server.crt; cp $S/old.key server.key", "server.crt has expired on 20"},
        {"cat $S/low.crt $S/root.crt > server.crt; cp $S/low.key server.key",
         "server.crt comes without the certificate of its issuer, Middle: put that behind it"},
        {"chmod 666 server.key", "server.key: "},
    };
    struct broker *b = *state;
    start(b, "", "");
    struct peer *p = live(b);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        shell(b, bad[i].change);
        await(b, "error tls.refused_files listener=tls", i + 1);
        if (count(b, bad[i].why) == 0)
            fail_msg("not in the log: %s\n%s", bad[i].why, broker_log(b));
        assert_string_equal(served(b, 0), "a");
    }
    assert_int_equal(count(b, "tls.renewed"), 0);
    shell(b, "rm server.key; cp $S/full.crt server.crt; cp $S/low.key server.key");
    await(b, "tls.renewed", 1);
    assert_string_equal(served(b, 0), "low");
    /* The intermediate was needed: a renewal that forgets it is refused. */
    shell(b, "cp $S/low.crt server.crt");
    await(b, "error tls.refused_files listener=tls", sizeof bad / sizeof bad[0] + 1);
    /* Once each. */
    assert_int_equal(count(b, "tls.refused_files"), sizeof bad / sizeof bad[0] + 1);
    peer_ping(p);
    peer_disconnect(p);
}

/* The end of a trouble is said like its beginning; what nobody was told of has none. */
static void what_is_put_back_is_said_to_be_mended(void **state)
{
    struct broker *b = *state;
    start(b, "", "");
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(count(b, "tls.mended"), i);
        shell(b, "cp $S/b.key server.key");
        await(b, "error tls.refused_files listener=tls", i + 1);
        shell(b, "cp $S/a.key server.key");
        await(b, "info tls.mended listener=tls", i + 1);
        assert_string_equal(served(b, 0), "a");
    }
    shell(b, "cp $S/b.key server.key");
    await(b, "error tls.refused_files listener=tls", 3);
    shell(b, "cp $S/b.crt server.crt");
    await(b, "info tls.renewed listener=tls", 1);
    shell(b, "touch server.key");
    shell(b, "cp $S/a.crt server.crt; cp $S/a.key server.key");
    await(b, "info tls.renewed listener=tls", 2);
    assert_int_equal(count(b, "tls.mended"), 2);
}

/* ---- client certificates, shared keys ---- */

static void a_list_that_revokes_counts_from_then_on(void **state)
{
    struct broker *b = *state;
    program_need("openssl");
    shell(b, "cp $S/first.pem crl.pem; cp $S/ours/dev.* $S/ours/ca.crt .");
    start(b, "",
          "[listener.mutual]\naddress = 127.0.0.1\nport = @P1@\ntls = on\ncert = server.crt\nkey = server.key\n"
          "client_cert = required\nclient_ca = ca.crt\ncrl = crl.pem\n");
    struct visit v = {.port = b->ports[1], .cert = broker_path(b, "dev")};
    for (v.minor = 2; v.minor <= 3; v.minor++)
        assert_int_equal(visit(&v), LET_IN);
    struct peer *p = peer_tls_with(b->ports[1], broker_path(&store, "root.crt"), broker_path(b, "dev.crt"),
                                   broker_path(b, "dev.key"));
    peer_connect(p, "live", true, false);
    shell(b, "cp $S/second.pem crl.pem");
    await(b, "tls.renewed listener=mutual changed=crl.pem", 1);
    for (v.minor = 2; v.minor <= 3; v.minor++)
        assert_int_equal(visit(&v), TLS_REFUSED);
    peer_ping(p);
    peer_disconnect(p);
    /* The other listener has nothing to do with it. */
    assert_int_equal(count(b, "tls.renewed"), 1);
}

static void shared_keys_change(void **state)
{
    struct broker *b = *state;
    struct program p;
    program_need("openssl");
    program_run(&p, 0, NULL, ARGV(sotto_bin(), "version"));
    bool has_keys = strstr(p.output, "PSK") == NULL || strstr(p.output, "no PSK") == NULL;
    program_fini(&p);
    if (!has_keys)
        skip();
    broker_write(b, "psk.txt", "lamp:" KEY "\n");
    broker_write(b, "users.ini", "[*]\nsubscribe = #\n");
    shell(b, "cp $S/a.crt server.crt; cp $S/a.key server.key");
    broker_write(b, "sotto.ini",
                 "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n"
                 "[listener.keys]\naddress = 127.0.0.1\nport = @P0@\ntls = on\npsk_file = psk.txt\n");
    broker_start(b);
    struct visit right = {.port = b->ports[0], .psk_id = "lamp", .psk = KEY}, fresh = right;
    fresh.psk = OTHER;
    for (right.minor = fresh.minor = 2; right.minor <= 3; right.minor = ++fresh.minor) {
        assert_int_equal(visit(&right), LET_IN);
        assert_int_equal(visit(&fresh), TLS_REFUSED);
    }
    broker_write(b, "psk.txt", "lamp:nothex\n");
    await(b, "tls.refused_files listener=keys", 1);
    right.minor = fresh.minor = 2;
    assert_int_equal(visit(&right), LET_IN);
    broker_write(b, "psk.txt", "lamp:" OTHER "\n");
    await(b, "tls.renewed listener=keys changed=psk.txt", 1);
    for (right.minor = fresh.minor = 2; right.minor <= 3; right.minor = ++fresh.minor) {
        assert_int_equal(visit(&right), TLS_REFUSED);
        assert_int_equal(visit(&fresh), LET_IN);
    }
}

/* ---- tickets ---- */

/* version: with -no_ticket behind it, by the session's id. */
static bool reused(struct broker *b, const char *version, const char *option)
{
    static const char script[] = "echo 'this is not MQTT' | openssl s_client $1 -ign_eof -connect $2 $3 \"$4\" 2>&1";
    char file[64];
    struct program p;
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%u", b->ports[0]);
    snprintf(file, sizeof file, "session%c%s", version[6], strchr(version, ' ') != NULL ? "-id" : "");
    program_start(&p, NULL, ARGV("sh", "-c", script, "sh", version, where, option, broker_path(b, file)));
    program_wait(&p);
    bool again = strstr(p.output, "\nReused, ") != NULL;
    program_fini(&p);
    return again;
}

static void tickets_outlive_a_renewal(void **state)
{
    struct broker *b = *state;
    start(b, "", "");
    static const char *const ways[] = {"-tls1_2", "-tls1_2 -no_ticket", "-tls1_3"};
    for (size_t i = 0; i < 3; i++)
        assert_false(reused(b, ways[i], "-sess_out"));
    shell(b, "cp $S/b.crt server.crt; cp $S/b.key server.key");
    await(b, "tls.renewed", 1);
    for (size_t i = 0; i < 3; i++)
        assert_true(reused(b, ways[i], "-sess_in"));
    /* But not where certificates are asked for from now on. */
    shell(b, "cp $S/ours/ca.crt .; printf 'client_cert = optional\\nclient_ca = ca.crt\\n' >> sotto.ini");
    kill(b->pid, SIGHUP);
    await(b, "reload.done", 1);
    for (size_t i = 0; i < 3; i++)
        assert_false(reused(b, ways[i], "-sess_in"));
}

/* ---- SIGHUP ---- */

static enum outcome log_in(struct broker *b, const char *user, const char *password)
{
    struct visit v = {.port = b->ports[0], .minor = 3, .user = user, .password = password};
    return visit(&v);
}

static void sighup_is_all_or_nothing(void **state)
{
    static const char head[] = "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\n";
    static const char tls[] = "[listener.tls]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n";
    char text[2048];
    struct broker *b = *state;
    program_need("openssl");
    broker_passwd(b, "alice", "first");
    shell(b, "cp $S/a.crt server.crt; cp $S/a.key server.key; cp $S/b.crt b.crt; cp $S/b.key b.key");
    snprintf(text, sizeof text, "%s%scert = server.crt\nkey = server.key\n", head, tls);
    broker_write(b, "sotto.ini", text);
    broker_start(b);
    assert_int_equal(log_in(b, "alice", "first"), LET_IN);

    /* Two errors in the text: both are said, and the users, which are good, are not taken either. */
    broker_passwd(b, "bob", "second");
    broker_passwd(b, "alice", "changed");
    snprintf(text, sizeof text, "%s[log]\nlevel = loud\n%scert = b.crt\nkey = b.key\nmax_versoin = 1.2\n", head, tls);
    broker_write(b, "sotto.ini", text);
    kill(b->pid, SIGHUP);
    await(b, "error reload.refused errors=2", 1);
    assert_int_equal(count(b, "error reload.error"), 2);
    assert_int_equal(log_in(b, "bob", "second"), MQTT_REFUSED_BAD);
    assert_int_equal(log_in(b, "alice", "first"), LET_IN);
    assert_string_equal(served(b, 0), "a");

    /* One in a file, and one in the users. */
    snprintf(text, sizeof text, "%s[log]\nlevel = debug\n%scert = b.crt\nkey = server.key\n", head, tls);
    broker_write(b, "sotto.ini", text);
    shell(b, "cp users.ini good.ini; echo 'nonsense = 1' >> users.ini");
    kill(b->pid, SIGHUP);
    await(b, "error reload.refused errors=2", 2);
    assert_int_equal(count(b, "[listener.tls] key: "), 1);
    assert_int_equal(count(b, "users.ini:"), 1);
    assert_int_equal(count(b, "debug "), 0);

    snprintf(text, sizeof text,
             "%s[log]\nlevel = debug\n[limits]\nmax_inflight = 7\n%scert = b.crt\nkey = b.key\nmqtt_version = 5\n"
             "mqtt_version = 3.1.1\n[listener.new]\naddress = 127.0.0.1\nport = 1\n",
             head, tls);
    broker_write(b, "sotto.ini", text);
    shell(b, "mv good.ini users.ini");
    kill(b->pid, SIGHUP);
    await(b, "info reload.done", 1);
    assert_int_equal(
        count(b,
              "warn reload.needs_restart keys=\"[limits] max_inflight, [listener.tls] mqtt_version, [listener.new]\""),
        1);
    assert_string_equal(served(b, 0), "b");
    assert_int_equal(log_in(b, "alice", "first"), MQTT_REFUSED_BAD);
    assert_int_equal(log_in(b, "alice", "changed"), LET_IN);
    assert_int_equal(log_in(b, "bob", "second"), LET_IN);
    await(b, "debug tls.established", 1);

    /* What is watched now is what the new text names. */
    shell(b, "cp $S/c.key b.key; cp $S/c.crt b.crt");
    await(b, "tls.renewed listener=tls changed=\"b.crt, b.key\"", 2);
    assert_string_equal(served(b, 0), "c");
}

/* Root reads the key, and then becomes somebody who may not. */
static void what_only_root_may_read_is_said_to_need_a_restart(void **state)
{
    struct broker *b = *state;
    if (!program_exists("openssl") || geteuid() != 0)
        skip();
    shell(b, "chmod 755 .; cp $S/a.crt server.crt; cp $S/a.key server.key; chmod 600 server.key; chmod 644 server.crt");
    start(b, "user = nobody\n", "");
    await(b, "warn tls.renewal_blocked listener=tls file=", 1);
    assert_int_equal(count(b, "server.key reason=\"the broker's user can't read it"), 1);
    /* What has not changed need not be read: the configuration is not held back by it. */
    shell(b, "chmod 644 sotto.ini; printf '[log]\\nlevel = debug\\n' >> sotto.ini");
    kill(b->pid, SIGHUP);
    await(b, "reload.done", 1);
    shell(b, "cp $S/b.crt server.crt; cp $S/b.key server.key");
    await(b, "tls.refused_files listener=tls", 1);
    assert_true(count(b, "can't be read by user ") > 0);
    assert_string_equal(served(b, 0), "a");
    shell(b, "chmod 644 server.key");
    await(b, "tls.renewed", 1);
    assert_string_equal(served(b, 0), "b");
}

/* ---- dates ---- */

static void what_ends_soon_is_said_ahead(void **state)
{
    struct broker *b = *state;
    program_need("openssl");
    shell(b, "cp $S/soon.crt server.crt; cp $S/soon.key server.key");
    start(b, "", "[listener.same]\naddress = 127.0.0.1\nport = @P1@\ntls = on\ncert = server.crt\nkey = server.key\n");
    await(b, "warn tls.expiry file=", 1);
    await(b, "reason=\"the server's certificate ends in 4 days\" until=20", 1);
    struct program p;
    program_run(&p, 0, NULL, ARGV(sotto_bin(), "check", "-c", broker_path(b, "sotto.ini")));
    assert_non_null(strstr(p.output, "server.crt: the server's certificate ends in 4 days; renew it"));
    program_fini(&p);
    shell(b, "cp $S/a.crt server.crt; cp $S/a.key server.key");
    await(b, "tls.renewed", 2);
    shell(b, "cp $S/soon.crt server.crt; cp $S/soon.key server.key");
    await(b, "tls.renewed", 4);
    /* Two listeners have the same file: that is one thing to say; again after it had been mended. */
    await(b, "tls.expiry", 2);
    assert_int_equal(count(b, "tls.expiry"), 2);
}

/* certs/server.crt: of ours, for 20 days more; the first pair's files are links to it and its key. */
static void age_certificate(const struct broker *b)
{
    shell(b,
          "cp -r $S/ours certs; cd certs; "
          "openssl req -new -key server.key -subj '/CN=Sotto broker' -out csr 2>/dev/null; "
          "printf 'subjectAltName=DNS:localhost,DNS:old.example\\n' > ext; "
          "openssl x509 -req -in csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 20 -extfile ext "
          "-out server.crt 2>/dev/null; cp server.key before.key; cp server-ec.crt before-ec.crt; "
          "cd ..; ln -s certs/server.crt .; ln -s certs/server.key .");
}

static const char own[] = "[listener.own]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR;

static void expect_young(struct broker *b)
{
    shell(b,
          "cd certs; openssl x509 -in server.crt -noout -checkend 30000000 >/dev/null; "
          "openssl x509 -in server.crt -noout -ext subjectAltName | grep -q old.example; "
          "cmp server.key before.key; cmp server-ec.crt before-ec.crt");
    struct peer *p = peer_tls(b->ports[1], broker_path(b, "certs/ca.crt"), 0);
    peer_connect(p, "client", true, false);
    peer_disconnect(p);
}

static void its_own_certificates_are_renewed_at_the_start(void **state)
{
    struct broker *b = *state;
    program_need("openssl");
    age_certificate(b);
    start(b, "", own);
    await(b, "info certificate.renewed what=\"server.crt in ", 1);
    expect_young(b);
    assert_int_equal(count(b, "tls.expiry"), 0);
}

static void its_own_certificates_are_renewed_while_it_runs(void **state)
{
    struct broker *b = *state;
    program_need("openssl");
    age_certificate(b);
    shell(b, "mv certs/ca.key .; echo > certs/ca.key; chmod 600 certs/ca.key");
    start(b, "", own);
    await(b, "warn certificate.not_renewed reason=\"the certificates in ", 1);
    await(b, "warn tls.expiry", 1);
    shell(b, "mv ca.key certs");
    kill(b->pid, SIGHUP);
    await(b, "info reload.done", 1);
    assert_int_equal(count(b, "info certificate.renewed what=\"server.crt in "), 1);
    assert_int_equal(count(b, "tls.renewed listener=own changed=server.crt for="), 1);
    expect_young(b);
}

/* ---- load ---- */

enum { CLIENTS = 8, SWAPS = 24 };

static size_t resident_kib(const struct broker *b)
{
    char path[64];
    unsigned long total = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)b->pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &total, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* All publish at QoS 1 to themselves; nobody loses the connection or a message. */
static void publish_round(struct peer *const p[CLIENTS], unsigned round)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        peer_packet(p[i], 0x32, "<load/%u> %04x 'round %u'", i, 1 + round % 60000, round);
    for (unsigned i = 0; i < CLIENTS; i++) {
        for (unsigned k = 0; k < 2; k++) {
            uint8_t *body;
            size_t size;
            uint8_t first = peer_read_packet(p[i], &body, &size);
            assert_true(first == 0x40 || (first & 0xf0) == 0x30);
            free(body);
        }
    }
}

static void renewals_under_load_lose_nobody(void **state)
{
    struct broker *b = *state;
    struct peer *p[CLIENTS];
    char topic[16], name[16];
    start(b, "", "");
    for (unsigned i = 0; i < CLIENTS; i++) {
        p[i] = peer_tls(b->ports[0], broker_path(&store, "root.crt"), i % 2 == 0 ? 2 : 3);
        snprintf(name, sizeof name, "load%u", i);
        snprintf(topic, sizeof topic, "load/%u", i);
        peer_connect(p[i], name, true, false);
        peer_subscribe(p[i], 1, topic, 0);
    }
    unsigned files = 0, round = 0;
    size_t memory = 0;
    for (unsigned n = 1; n <= SWAPS; n++) {
        static const char *const swaps[] = {"cp $S/a.crt server.crt; cp $S/a.key server.key",
                                            "cp $S/b.crt server.crt; cp $S/b.key server.key"};
        shell(b, swaps[n % 2]);
        kill(b->pid, SIGHUP); /* no quiet second, so that there are many */
        while (count(b, "tls.renewed") < n) {
            publish_round(p, ++round);
            struct peer *fresh = peer_tls(b->ports[0], broker_path(&store, "root.crt"), 0);
            peer_connect(fresh, "fresh", true, false);
            peer_disconnect(fresh);
            assert_true(round < 20000);
        }
        assert_string_equal(served(b, 0), n % 2 == 1 ? "b" : "a");
        if (n == SWAPS / 3) {
            files = broker_open_files(b);
            memory = resident_kib(b);
        }
    }
    for (struct waiting w = {0}; broker_open_files(b) > files + 1 && waiting(&w);) {
    }
    assert_true(broker_open_files(b) <= files + 1);
    if (patience() == 1 && resident_kib(b) > memory + 1024)
        fail_msg("%zu KiB became %zu", memory, resident_kib(b));
    assert_int_equal(count(b, "tls.refused_files"), 0);
    for (unsigned i = 0; i < CLIENTS; i++)
        peer_disconnect(p[i]);
}

/* A file with another name elsewhere, written by that (what a bind mount of a file comes to): nothing tells of it, and
 * the look of each minute finds it. The minute goes by while the other tests run. */
static void what_nothing_tells_of_is_found_within_a_minute(void **state)
{
    (void)state;
    program_need("openssl");
    for (unsigned s = 0; s < 70 && count(&silent, "tls.renewed") == 0; s++)
        wait_ms(1000);
    assert_string_equal(served(&silent, 0), "b");
}

static int make_all(void **state)
{
    make_store(state);
    broker_init(&silent);
    if (!program_exists("openssl"))
        return 0;
    shell(&silent,
          "mkdir outside; cp $S/a.crt outside/x; cp $S/a.key outside/y; ln outside/x server.crt; "
          "ln outside/y server.key");
    start(&silent, "", "");
    shell(&silent, "cat $S/b.crt > outside/x; cat $S/b.key > outside/y");
    return 0;
}

static int drop_all(void **state)
{
    if (silent.pid != 0)
        broker_stop(&silent);
    broker_fini(&silent);
    return drop_store(state);
}

int main(void)
{
#define OWN(f) cmocka_unit_test_setup_teardown(f, broker_setup, broker_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_way_of_replacing_is_seen),
        OWN(what_is_bad_is_refused_and_the_old_stays),
        OWN(what_is_put_back_is_said_to_be_mended),
        OWN(a_list_that_revokes_counts_from_then_on),
        OWN(shared_keys_change),
        OWN(tickets_outlive_a_renewal),
        OWN(sighup_is_all_or_nothing),
        OWN(what_only_root_may_read_is_said_to_need_a_restart),
        OWN(what_ends_soon_is_said_ahead),
        OWN(its_own_certificates_are_renewed_at_the_start),
        OWN(its_own_certificates_are_renewed_while_it_runs),
        OWN(renewals_under_load_lose_nobody),
        OWN(what_nothing_tells_of_is_found_within_a_minute),
    };
    return cmocka_run_group_tests(tests, make_all, drop_all);
}
