/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TLS sessions that are taken up again, with openssl as the client: listeners of each kind on one broker, a restart,
 * and chains of them.
 */
#include "e2e/e2e.h"

#include <sys/stat.h>

/* Two of a kind; one that gives none; one that asks for certificates; and one
 * that knows shared keys. */
enum { ONE, TWO, NONE, CERTS, KEYS, LISTENERS };

enum { TLS_12, TLS_13, TLS_12_BY_ID, WAYS };

static const struct way {
    const char *name, *version, *more;
} ways[WAYS] = {
    {"1.2", "-tls1_2", "-ign_eof"},
    {"1.3", "-tls1_3", "-ign_eof"},
    {"1.2-by-id", "-tls1_2", "-no_ticket"}, /* as small devices: session ids */
};

static const char config[] =
    "[broker]\nthreads = 2\ndata_dir = @DIR@\n[auth]\nanonymous = on\nusers = users.ini\n[log]\nlevel = debug\n"
    "[listener.one]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n" RSA_PAIR
    "ticket_lifetime = 1h\n"
    "[listener.two]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR
    "[listener.none]\naddress = 127.0.0.1\nport = @P2@\ntls = on\n" RSA_PAIR
    "ticket_lifetime = 0\n"
    "[listener.certs]\naddress = 127.0.0.1\nport = @P3@\ntls = on\n" RSA_PAIR
    "client_cert = optional\nclient_ca = certs/ca.crt\n"
    "[listener.keys]\naddress = 127.0.0.1\nport = @P4@\ntls = on\n" RSA_PAIR "psk_file = psk\n";

static int setup(void **state)
{
    struct broker *b = malloc(sizeof *b);
    broker_init(b);
    broker_make_certs(b, "certs");
    broker_write(b, "users.ini", "[*]\nsubscribe = #\n");
    broker_write(b, "psk", "pump:10112233445566778899aabbccddeeff\n");
    broker_write(b, "sotto.ini", config);
    broker_start(b);
    *state = b;
    return 0;
}

/* A connection that keeps its session in a file, or begins with one; true: the session was taken up. The text is no
 * MQTT, so the broker closes, and by then the tickets of 1.3 have come. */
static bool reused(struct broker *b, unsigned listener, const struct way *way, const char *option, const char *session)
{
    struct program p;
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%u", b->ports[listener]);
    program_start(&p, "this is not MQTT\n",
                  ARGV("openssl", "s_client", way->version, way->more, "-ign_eof", "-connect", where, "-CAfile",
                       broker_path(b, "certs/ca.crt"), option, broker_path(b, session)));
    program_wait(&p);
    bool again = strstr(p.output, "\nReused, ") != NULL;
    if (!again && strstr(p.output, "\nNew, TLSv1") == NULL)
        fail_msg("openssl s_client %s to listener %u:\n%s", way->name, listener, p.output);
    program_fini(&p);
    return again;
}

static bool there(struct broker *b, const char *session)
{
    struct stat st;
    return stat(broker_path(b, session), &st) == 0;
}

static void session_name(char *out, size_t cap, unsigned listener, const struct way *way)
{
    snprintf(out, cap, "session-%u-%s", listener, way->name);
}

static void need_openssl(void)
{
    if (program_exists("openssl"))
        return;
    print_message("skipped: there is no openssl\n");
    skip();
}

/* Each listener's session is offered to every listener: only its own takes it, and none that asks who its clients
 * are. */
static void session_opens_its_own_listener_only(void **state)
{
    struct broker *b = *state;
    char session[32];
    need_openssl();
    for (unsigned w = 0; w < WAYS; w++) {
        for (unsigned from = 0; from < LISTENERS; from++) {
            session_name(session, sizeof session, from, &ways[w]);
            assert_false(reused(b, from, &ways[w], "-sess_out", session));
            for (unsigned to = 0; there(b, session) && to < LISTENERS; to++) {
                bool expected = from == to && (from == ONE || from == TWO);
                if (reused(b, to, &ways[w], "-sess_in", session) != expected)
                    fail_msg("TLS %s: a session of listener %u was%s taken up by listener %u", ways[w].name, from,
                             expected ? " not" : "", to);
            }
        }
    }
}

static void ticket_survives_a_restart(void **state)
{
    struct broker *b = *state;
    struct stat st;
    need_openssl();
    assert_false(reused(b, ONE, &ways[TLS_12], "-sess_out", "kept-2"));
    assert_false(reused(b, ONE, &ways[TLS_13], "-sess_out", "kept-3"));
    broker_stop(b);
    assert_int_equal(stat(broker_path(b, "tickets.keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    broker_start(b);
    assert_true(reused(b, ONE, &ways[TLS_12], "-sess_in", "kept-2"));
    assert_true(reused(b, ONE, &ways[TLS_13], "-sess_in", "kept-3"));
}

/* A file that others could read is not believed: its keys may be known. */
static void keys_that_others_could_read_are_made_anew(void **state)
{
    struct broker *b = *state;
    need_openssl();
    assert_false(reused(b, ONE, &ways[TLS_13], "-sess_out", "bare"));
    broker_stop(b);
    assert_int_equal(chmod(broker_path(b, "tickets.keys"), 0644), 0);
    broker_start(b);
    assert_false(reused(b, ONE, &ways[TLS_13], "-sess_in", "bare"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_opens_its_own_listener_only),
        cmocka_unit_test(ticket_survives_a_restart),
        cmocka_unit_test(keys_that_others_could_read_are_made_anew),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
