/* SPDX-License-Identifier: GPL-3.0-or-later */
/* [log] tls_keylog: refused where the library can't, warned of where it can, and the same secrets as the client's. */
#include "e2e/e2e.h"

#include <sys/stat.h>

/* True: this build of wolfSSL has it. */
static bool check_says(const struct broker *b)
{
    struct program p;
    program_start(&p, NULL, ARGV(sotto_bin(), "check", "-c", broker_path(b, "sotto.ini")));
    program_wait(&p);
    bool refused = strstr(p.output, "[log] tls_keylog: tls_keylog needs key log, which is not in this build") != NULL;
    assert_int_equal(p.status, refused ? 1 : 0);
    if (!refused)
        assert_non_null(strstr(p.output, "warning: [log] tls_keylog: is on: who reads "));
    program_fini(&p);
    return !refused;
}

static void secrets_are_those_of_the_client(void **state)
{
    static const char script[] =
        "cd $1; for v in tls1_2 tls1_3; do openssl s_client -connect 127.0.0.1:$2 -$v -keylogfile theirs </dev/null "
        ">/dev/null 2>&1 || exit 1; done; until test $(wc -l <ours) -ge 5; do sleep 0.05; done; test $(wc -l <ours) = "
        "5 || exit 2; "
        "while read -r line; do grep -qixF \"$line\" theirs || exit 3; done <ours; "
        "grep -q '^CLIENT_RANDOM ' ours && grep -q '^SERVER_TRAFFIC_SECRET_0 ' ours";
    struct broker b;
    struct program p;
    char port[8];
    (void)state;
    program_need("openssl");
    broker_init(&b);
    broker_make_certs(&b, "certs");
    broker_write(&b, "sotto.ini",
                 ONE_LOOP
                 "[log]\ntls_keylog = ours\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P0@\ntls = on\n" RSA_PAIR);
    if (check_says(&b)) {
        struct stat st;
        broker_start(&b);
        broker_expect_log(&b, "warn tls.keylog file=");
        snprintf(port, sizeof port, "%u", b.ports[0]);
        program_run(&p, 0, NULL, ARGV("sh", "-c", script, "sh", b.dir, port));
        program_fini(&p);
        assert_int_equal(stat(broker_path(&b, "ours"), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        /* An established connection goes on as ever. */
        struct peer *peer = peer_tls(b.ports[0], broker_path(&b, "certs/ca.crt"), 0);
        peer_connect(peer, "logged", true, false);
        peer_disconnect(peer);
        broker_stop(&b);
    }
    broker_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(secrets_are_those_of_the_client)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
