/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions that are taken up again, by tickets and by ids: how often, by whom, and what is kept for it. */
#include "harness.h"

#include <time.h>

#include <wolfssl/error-ssl.h>

#include "../../../src/transport/tls_sessions_private.h"
#include "sotto/transport/tls_features.h"
#include "sotto/transport/tls_tickets.h"

#define LIFETIME 3600

enum way { TICKET_12, TICKET_13, ID_12, WAYS };

static const char *const way_names[WAYS] = {"TLS 1.2, ticket", "TLS 1.3", "TLS 1.2, id"};

static struct loop_rig rig;
static struct tls_tickets *ring;
static unsigned char last_ticket[1024]; /* of the last visit, by wolfSSL's name for it */

static int open_all(void **state)
{
    char err[200];
    (void)state;
    rig_init(&rig);
    ring = tls_tickets_new(LIFETIME);
    assert_true(tls_tickets_open(ring, NULL, (uint64_t)time(NULL), err, sizeof(err)));
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    tls_tickets_free(ring);
    rig_fini(&rig);
    return 0;
}

static struct tls_context *listener(const char *policy, bool ec)
{
    char err[300];
    struct tls_pair_files files = {.cert = cert_path(ec ? "server-ec.crt" : "server.crt"),
                                   .key = cert_path(ec ? "server-ec.key" : "server.key")};
    struct tls_settings s = {.pairs = &files,
                             .pairs_n = 1,
                             .min_version = TLS_1_2,
                             .max_version = TLS_1_3,
                             .tickets = ring,
                             .ticket_lifetime = LIFETIME,
                             .policy = policy};
    struct tls_context *c = tls_context_new(&s, err, sizeof(err), NULL);
    if (c == NULL)
        fail_msg("%s", err);
    return c;
}

/* A visit with the session of the last one, or none; *session becomes that of this one. True: it was taken up. A
 * wolfSSL client of TLS 1.2 can't go on when its ticket is refused; it comes again without. */
static bool visit(struct tls_context *c, enum way way, WOLFSSL_SESSION **session)
{
    struct side s;
    struct peer p;
    int fd = side_open(&s, &rig, tls_context_ref(c), false);
    peer_open(&p, fd, way == TICKET_13 ? wolfTLSv1_3_client_method() : wolfTLSv1_2_client_method(), NULL,
              cert_path("ca.crt"));
    if (way == TICKET_12)
        assert_int_equal(wolfSSL_UseSessionTicket(p.ssl), WOLFSSL_SUCCESS);
    if (*session != NULL)
        (void)wolfSSL_set_session(p.ssl, *session);
    shake(&s, &p);
    bool gave_up = way == TICKET_12 && *session != NULL && p.error == OUT_OF_ORDER_E;
    if (!gave_up && (!p.connected || s.established != 1))
        fail_msg("%s%s: %s (client: %d)", way_names[way], *session != NULL ? " again" : "", s.why, p.error);
    if (!gave_up)
        peer_step(&p, 1); /* tickets of 1.3 */
    bool again = !gave_up && wolfSSL_session_reused(p.ssl) != 0;
    word32 n = sizeof(last_ticket);
    memset(last_ticket, 0, sizeof(last_ticket));
    wolfSSL_get_SessionTicket(p.ssl, last_ticket, &n);
    wolfSSL_SESSION_free(*session);
    *session = gave_up ? NULL : wolfSSL_get1_session(p.ssl);
    peer_close(&p);
    side_close(&s);
    return again;
}

/* 200 times in a row, each with what the one before was given; then the client has to show itself in full. */
static void chains_end_at_two_hundred(void **state)
{
    (void)state;
    struct tls_context *c = listener("one", true);
    for (enum way way = 0; way < WAYS; way++) {
        WOLFSSL_SESSION *session = NULL;
        assert_false(visit(c, way, &session));
        for (unsigned i = 1; i <= 200; i++) {
            if (!visit(c, way, &session))
                fail_msg("%s: resumption %u was refused", way_names[way], i);
        }
        unsigned char last[sizeof(last_ticket)];
        memcpy(last, last_ticket, sizeof(last));
        if (visit(c, way, &session)) {
            /* 5.5 does not send the new ticket in TLS 1.2, so there is no chain, but one ticket for its lifetime. */
            if (way != TICKET_12 || memcmp(last, last_ticket, sizeof(last)) != 0)
                fail_msg("%s: resumption 201 was let through", way_names[way]);
        }
        /* No ticket is given in place of one that was refused in TLS 1.2: then the next one is full, too. */
        if (way == TICKET_12)
            (void)visit(c, way, &session);
        if (!visit(c, way, &session))
            fail_msg("%s: no new chain begins", way_names[way]);
        wolfSSL_SESSION_free(session);
    }
    tls_context_unref(c);
}

/* Another context of the same policy is the same listener with a new certificate; one of another policy is not. */
static void sessions_belong_to_the_policy(void **state)
{
    (void)state;
    struct tls_context *c = listener("one", true), *same = listener("one", false), *other = listener("two", true);
    for (enum way way = 0; way < WAYS; way++) {
        WOLFSSL_SESSION *session = NULL;
        assert_false(visit(c, way, &session));
        assert_true(visit(same, way, &session));
        if (visit(other, way, &session))
            fail_msg("%s: taken up by another listener", way_names[way]);
        wolfSSL_SESSION_free(session);
    }
    tls_context_unref(c);
    tls_context_unref(same);
    tls_context_unref(other);
}

/* ---- What is kept ---- */

static const uint8_t policies[2][SESSION_POLICY] = {{1}, {2}};

static void number(uint8_t id[SESSION_ID], unsigned i)
{
    memset(id, 0, SESSION_ID);
    memcpy(id, &i, sizeof(i));
}

static void put(struct tls_sessions *s, unsigned i, uint64_t expires)
{
    uint8_t id[SESSION_ID];
    number(id, i);
    tls_sessions_put(s, policies[0], id, (const uint8_t *)&i, sizeof(i), expires);
}

static bool has(struct tls_sessions *s, const uint8_t *policy, unsigned i, uint64_t now, unsigned *resumptions)
{
    uint8_t id[SESSION_ID], out[SESSION_BYTES_MAX], n = 0;
    unsigned kept = 0;
    number(id, i);
    size_t size = tls_sessions_take_up(s, policy, id, now, 200, out, &n);
    if (size == 0)
        return false;
    assert_int_equal(size, sizeof(i));
    memcpy(&kept, out, sizeof(kept));
    assert_int_equal(kept, i);
    *resumptions = n;
    return true;
}

static void the_oldest_go_first(void **state)
{
    (void)state;
    enum { MOST = 100, ALL = 1000 };
    unsigned n;
    size_t before = mem_in_use();
    struct tls_sessions *s = tls_sessions_new(MOST);
    for (unsigned i = 0; i < ALL; i++) {
        put(s, i, 10);
        assert_int_equal(tls_sessions_count(s), i < MOST ? i + 1 : MOST);
    }
    assert_true(mem_in_use() - before < MOST * 400);
    for (unsigned i = 0; i < ALL; i++)
        assert_int_equal(has(s, policies[0], i, 1, &n), i >= ALL - MOST);
    put(s, ALL - 1, 10); /* the same again */
    assert_int_equal(tls_sessions_count(s), MOST);
    tls_sessions_free(s);
    assert_int_equal(mem_in_use(), before);
}

static void each_has_its_time_its_policy_and_its_number(void **state)
{
    (void)state;
    unsigned n = 0;
    struct tls_sessions *s = tls_sessions_new(10);
    put(s, 1, 10);
    put(s, 2, 20);
    assert_true(has(s, policies[0], 1, 9, &n));
    assert_false(has(s, policies[1], 1, 9, &n));
    assert_false(has(s, policies[0], 1, 10, &n));
    assert_false(has(s, policies[0], 1, 9, &n)); /* forgotten */
    for (unsigned i = 1; i <= 200; i++) {
        assert_true(has(s, policies[0], 2, 19, &n));
        assert_int_equal(n, i);
    }
    assert_false(has(s, policies[0], 2, 19, &n));
    assert_int_equal(tls_sessions_count(s), 0);
    uint8_t large[SESSION_BYTES_MAX + 1] = {0}, id[SESSION_ID] = {0};
    tls_sessions_put(s, policies[0], id, large, sizeof(large), 100);
    assert_int_equal(tls_sessions_count(s), 0);
    tls_sessions_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chains_end_at_two_hundred, open_all, close_all),
        cmocka_unit_test_setup_teardown(sessions_belong_to_the_policy, open_all, close_all),
        cmocka_unit_test(the_oldest_go_first),
        cmocka_unit_test(each_has_its_time_its_policy_and_its_number),
    };
    assert_int_equal(tls_init(), 0);
    int failed = cmocka_run_group_tests(tests, NULL, certs_remove);
    tls_fini();
    return failed;
}
