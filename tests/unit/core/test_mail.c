/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Mail between two shards: records of all sizes, the bell, the mark, and what is left at the end. */
#include "unit_core.h"

static struct session *receiver(struct unit *u)
{
    struct rights *rights = rights_new(bytes_str("u"), NULL, 0, true);
    struct session *n = session_new(u->shard[1], bytes_str("r"), rights);
    rights_unref(rights);
    n->expiry = 10;
    return n;
}

static void send(struct unit *u, const struct session *to, struct pub *p)
{
    struct match m = {.h = to->h, .o = {.qos = 1}};
    mail_add(u->shard[0], 1, p, &m, 1, NULL);
}

static const struct message *waiting(const struct session *n, uint32_t i)
{
    return ((struct delivery *)ring_at(&n->deliveries, i))->msg;
}

static void comes_as_it_was_sent(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    static char payload[3][10000];
    static const size_t sizes[] = {0, 5, 10000};
    for (unsigned i = 0; i < 3; i++) {
        memset(payload[i], 'a' + (int)i, sizeof(payload[i]));
        struct pub p = unit_pub(i == 1 ? "odd" : "topic/of/another/length", "", 1);
        p.payload = bytes_of(payload[i], sizes[i]);
        p.retain = i == 2;
        p.expires = 1000 + i;
        send(u, n, &p);
        pub_fini(u->shard[0], &p);
    }
    assert_int_equal(session_waiting(n), 0);
    assert_true(mail_push(u->shard[0]));
    assert_int_equal(u->rings[1], 1);
    assert_false(mail_push(u->shard[0])); /* nothing more */
    mail_take(u->shard[1]);
    assert_int_equal(session_waiting(n), 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct message *m = waiting(n, i);
        assert_true(bytes_equal(message_topic(m), bytes_str(i == 1 ? "odd" : "topic/of/another/length")));
        assert_true(bytes_equal(message_payload(m), bytes_of(payload[i], sizes[i])));
        assert_true(m->qos == 1 && m->expires == 1000 + i);
    }
}

static void large_payload_travels_as_a_reference(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    struct pub p = unit_pub("t", "pretend that this is large", 1);
    struct blob *b = pub_blob(&p);
    send(u, n, &p);
    pub_fini(u->shard[0], &p);
    assert_int_equal(atomic_load(&b->refs), 1);
    mail_push(u->shard[0]);
    mail_take(u->shard[1]);
    assert_ptr_equal(waiting(n, 0)->blob, b);
    assert_int_equal(atomic_load(&b->refs), 1);
}

static void bell_rings_once_until_the_mail_is_taken(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    for (unsigned i = 0; i < 3; i++) {
        struct pub p = unit_pub("t", "x", 1);
        send(u, n, &p);
        pub_fini(u->shard[0], &p);
        mail_push(u->shard[0]);
    }
    assert_int_equal(u->rings[1], 1);
    mail_take(u->shard[1]);
    assert_int_equal(session_waiting(n), 3);
    struct pub p = unit_pub("t", "x", 1);
    send(u, n, &p);
    pub_fini(u->shard[0], &p);
    mail_push(u->shard[0]);
    assert_int_equal(u->rings[1], 2);
    mail_take(u->shard[1]);
    assert_int_equal(session_waiting(n), 4);
}

static void the_mark(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    static char payload[100000];
    unsigned to = 77, sent = 0;
    while (!mail_congested(u->shard[0], &to)) {
        struct pub p = unit_pub("t", "", 1);
        p.payload = bytes_of(payload, sizeof(payload));
        if (sent++ % 2 == 0)
            (void)pub_blob(&p); /* both kinds count */
        send(u, n, &p);
        pub_fini(u->shard[0], &p);
        if (sent % 7 == 0)
            mail_push(u->shard[0]);
        assert_true(sent < 1000);
    }
    assert_int_equal(to, 1);
    assert_in_range(sent, MAIL_MARK / 101000, MAIL_MARK / 99000 + 1);
    mail_push(u->shard[0]);
    assert_true(mail_congested(u->shard[0], &to));
    assert_int_equal(u->rings[0], 0);
    mail_take(u->shard[1]);
    assert_int_equal(u->rings[0], 1); /* the one who waits is told */
    assert_false(mail_congested(u->shard[0], &to));
    mail_take(u->shard[1]);
    assert_int_equal(u->rings[0], 1);
}

static void stale_handles_get_nothing(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    struct pub p = unit_pub("t", "x", 1);
    send(u, n, &p);
    pub_fini(u->shard[0], &p);
    mail_push(u->shard[0]);
    session_end(n);
    n = receiver(u);
    mail_take(u->shard[1]);
    assert_int_equal(session_waiting(n), 0);
}

/* Several subscriptions of one session and of others, in one record. */
static void one_record_for_many(void **state)
{
    struct unit *u = *state;
    struct session *a = receiver(u);
    struct rights *rights = rights_new(bytes_str("u"), NULL, 0, true);
    struct session *b = session_new(u->shard[1], bytes_str("b"), rights);
    rights_unref(rights);
    b->expiry = 10;
    struct match m[4] = {{.h = a->h, .o = {.qos = 1}},
                         {.h = a->h, .o = {.qos = 2}},
                         {.h = a->h, .o = {.qos = 0}},
                         {.h = b->h, .o = {.qos = 1}}};
    struct pub p = unit_pub("t", "x", 2);
    mail_add(u->shard[0], 1, &p, m, 4, NULL);
    pub_fini(u->shard[0], &p);
    mail_push(u->shard[0]);
    mail_take(u->shard[1]);
    assert_int_equal(session_waiting(a), 1);
    assert_int_equal(session_waiting(b), 1);
    assert_int_equal(((struct delivery *)ring_at(&a->deliveries, 0))->qos, 2);
    assert_ptr_equal(waiting(a, 0), waiting(b, 0)); /* one block for both */
}

static void without_memory_it_is_counted(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    struct pub p = unit_pub("t", "x", 1);
    mem_fail_at(1);
    send(u, n, &p);
    mem_fail_at(0);
    pub_fini(u->shard[0], &p);
    assert_false(mail_push(u->shard[0]));
    struct shard_stats s;
    shard_stats(u->shard[0], &s);
    assert_int_equal(s.messages_dropped, 1);
}

/* In the outgoing list, and in the inbox: freed with the shards (the teardown counts). */
static void left_at_the_end(void **state)
{
    struct unit *u = *state;
    struct session *n = receiver(u);
    for (unsigned i = 0; i < 4; i++) {
        struct pub p = unit_pub("t", "some payload", 1);
        if (i % 2 == 0)
            (void)pub_blob(&p);
        send(u, n, &p);
        pub_fini(u->shard[0], &p);
        if (i == 1)
            mail_push(u->shard[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(comes_as_it_was_sent, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(large_payload_travels_as_a_reference, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(bell_rings_once_until_the_mail_is_taken, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(the_mark, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(stale_handles_get_nothing, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(one_record_for_many, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(without_memory_it_is_counted, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(left_at_the_end, unit_setup, unit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
