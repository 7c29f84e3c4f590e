/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TLS sessions that are taken up again, with openssl as the client: three listeners of one broker, and a restart. */
#include "e2e/e2e.h"

#include <sys/stat.h>

#define LISTENERS 3 /* the third gives no tickets */

static const char *const versions[] = {"-tls1_2", "-tls1_3"};

static const char config[] =
    "[broker]\nthreads = 2\ndata_dir = @DIR@\n[auth]\nanonymous = on\n[log]\nlevel = debug\n"
    "[listener.one]\naddress = 127.0.0.1\nport = @P0@\ntls = on\ncert = certs/server.crt\n"
    "key = certs/server.key\nticket_lifetime = 1h\n"
    "[listener.two]\naddress = 127.0.0.1\nport = @P1@\ntls = on\ncert = certs/server.crt\n"
    "key = certs/server.key\n"
    "[listener.none]\naddress = 127.0.0.1\nport = @P2@\ntls = on\ncert = certs/server.crt\n"
    "key = certs/server.key\nticket_lifetime = 0\n";

static int setup(void **state)
{
    struct broker *b = malloc(sizeof *b);
    struct program init;
    broker_init(b);
    program_run(&init, 0, NULL, ARGV(sotto_bin(), "cert", "init", broker_path(b, "certs")));
    program_fini(&init);
    broker_write(b, "sotto.ini", config);
    broker_start(b);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    broker_fini(*state);
    free(*state);
    return 0;
}

/* A connection that keeps its session in a file, or begins with one; true: the session was taken up. The text is no
 * MQTT, so the broker closes, and by then the tickets of 1.3 have come. */
static bool reused(struct broker *b, unsigned listener, const char *version, const char *option, const char *session)
{
    struct program p;
    char where[32];
    snprintf(where, sizeof where, "127.0.0.1:%u", b->ports[listener]);
    program_start(&p, "this is not MQTT\n",
                  ARGV("openssl", "s_client", version, "-ign_eof", "-connect", where, "-CAfile",
                       broker_path(b, "certs/ca.crt"), option, broker_path(b, session)));
    program_wait(&p);
    bool again = strstr(p.output, "\nReused, ") != NULL;
    if (!again && strstr(p.output, "\nNew, TLSv1") == NULL)
        fail_msg("openssl s_client %s to listener %u:\n%s", version, listener, p.output);
    program_fini(&p);
    return again;
}

static bool there(struct broker *b, const char *session)
{
    struct stat st;
    return stat(broker_path(b, session), &st) == 0;
}

static void session_name(char *out, size_t cap, unsigned listener, const char *version)
{
    snprintf(out, cap, "session-%u%s", listener, version);
}

static void need_openssl(void)
{
    if (program_exists("openssl"))
        return;
    print_message("skipped: there is no openssl\n");
    skip();
}

/* Each listener's ticket is offered to every listener: only its own takes it. */
static void ticket_opens_its_own_listener_only(void **state)
{
    struct broker *b = *state;
    char session[32];
    need_openssl();
    for (unsigned v = 0; v < 2; v++) {
        for (unsigned from = 0; from < LISTENERS; from++) {
            session_name(session, sizeof session, from, versions[v]);
            assert_false(reused(b, from, versions[v], "-sess_out", session));
            for (unsigned to = 0; there(b, session) && to < LISTENERS; to++)
                assert_int_equal(reused(b, to, versions[v], "-sess_in", session), from == to && from != 2);
        }
    }
}

static void ticket_survives_a_restart(void **state)
{
    struct broker *b = *state;
    struct stat st;
    need_openssl();
    assert_false(reused(b, 0, "-tls1_2", "-sess_out", "kept-2"));
    assert_false(reused(b, 0, "-tls1_3", "-sess_out", "kept-3"));
    broker_stop(b);
    assert_int_equal(stat(broker_path(b, "tickets.keys"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    broker_start(b);
    assert_true(reused(b, 0, "-tls1_2", "-sess_in", "kept-2"));
    assert_true(reused(b, 0, "-tls1_3", "-sess_in", "kept-3"));
}

/* A file that others could read is not believed: its keys may be known. */
static void keys_that_others_could_read_are_made_anew(void **state)
{
    struct broker *b = *state;
    need_openssl();
    assert_false(reused(b, 0, "-tls1_3", "-sess_out", "bare"));
    broker_stop(b);
    assert_int_equal(chmod(broker_path(b, "tickets.keys"), 0644), 0);
    broker_start(b);
    assert_false(reused(b, 0, "-tls1_3", "-sess_in", "bare"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticket_opens_its_own_listener_only),
        cmocka_unit_test(ticket_survives_a_restart),
        cmocka_unit_test(keys_that_others_could_read_are_made_anew),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
