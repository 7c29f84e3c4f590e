/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions by themselves: found by id, packet ids, the queue of one that is away, expiry. */
#include "unit_core.h"

static struct session *make(struct unit *u, const char *id, uint32_t expiry)
{
    struct rights *rights = rights_new(bytes_str("u"), NULL, 0, true);
    struct session *n = session_new(u->shard[0], bytes_str(id), rights);
    rights_unref(rights);
    assert_non_null(n);
    n->expiry = expiry;
    return n;
}

static void found_by_its_id(void **state)
{
    struct unit *u = *state;
    struct session *a = make(u, "a", 10), *b = make(u, "b", 10), *empty = make(u, "", 10);
    assert_ptr_equal(session_find(u->shard[0], bytes_str("a")), a);
    assert_ptr_equal(session_find(u->shard[0], bytes_str("b")), b);
    assert_ptr_equal(session_find(u->shard[0], bytes_str("")), empty);
    assert_null(session_find(u->shard[0], bytes_str("A")));
    assert_null(session_find(u->shard[1], bytes_str("a")));
    assert_true(bytes_equal(session_id(a), bytes_str("a")));
    assert_ptr_equal(slots_get(&u->shard[0]->sessions, a->h), a);
    handle h = a->h;
    session_end(a);
    assert_null(session_find(u->shard[0], bytes_str("a")));
    assert_null(slots_get(&u->shard[0]->sessions, h));
    a = make(u, "a", 10);
    assert_true(a->h != h);
}

static void none_without_memory(void **state)
{
    struct unit *u = *state;
    struct rights *rights = rights_new(bytes_str("u"), NULL, 0, true);
    for (unsigned n = 1;; n++) {
        mem_fail_at(n);
        struct session *s = session_new(u->shard[0], bytes_str("a"), rights);
        mem_fail_at(0);
        if (s != NULL)
            break;
        assert_null(session_find(u->shard[0], bytes_str("a")));
        assert_true(n < 10);
    }
    rights_unref(rights);
}

static void ids_start_at_1_and_skip_0(void **state)
{
    struct unit *u = *state;
    struct session *n = make(u, "a", 10);
    for (unsigned i = 1; i <= UINT16_MAX; i++)
        assert_int_equal(session_take_id(n), i);
    assert_int_equal(session_take_id(n), 1);
}

/* Deliveries as they stand in flight; the store is told what it is owed. */
static void put_in_flight(struct unit *u, struct session *n, uint16_t id)
{
    struct pub p = unit_pub("t", "x", 1);
    struct delivery *d = ring_push_back(&n->deliveries);
    d->msg = message_ref(pub_message(u->shard[0], &p));
    d->qos = 1;
    d->id = id;
    n->inflight++;
    pub_fini(u->shard[0], &p);
}

static void ids_in_use_are_skipped(void **state)
{
    struct unit *u = *state;
    struct session *n = make(u, "a", 10);
    static const uint16_t used[] = {2, 3, 65535, 7};
    for (size_t i = 0; i < 4; i++)
        put_in_flight(u, n, used[i]);
    n->ids_free = 0;
    n->next_id = 65533;
    static const uint16_t want[] = {65533, 65534, 1, 4, 5, 6, 8, 9};
    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
        assert_int_equal(session_take_id(n), want[i]);
    uint32_t i;
    assert_non_null(session_inflight(n, 65535, &i));
    assert_int_equal(i, 2);
    assert_null(session_inflight(n, 4, &i));
    session_done(n, 2);
    assert_null(session_inflight(n, 65535, &i));
    assert_non_null(session_inflight(n, 7, &i));
    assert_int_equal(i, 2);
    assert_int_equal(n->inflight, 3);
}

static void queue_of_one_that_is_away(void **state)
{
    struct unit *u = *state;
    struct session *n = make(u, "a", 10);
    struct match m = {.h = n->h, .o = {.qos = 2}};
    for (uint8_t qos = 0; qos < 3; qos++) {
        struct pub p = unit_pub("t", "x", qos);
        session_deliver(n, &p, &m, 1);
        pub_fini(u->shard[0], &p);
    }
    assert_int_equal(session_waiting(n), 2); /* QoS 0 is for those who are there */
    assert_int_equal(n->queue_bytes, 4);
    assert_int_equal(u->store[0].last, 2);
    for (unsigned i = 0; i < 20; i++) {
        struct pub p = unit_pub("t", "x", 1);
        session_deliver(n, &p, &m, 1);
        pub_fini(u->shard[0], &p);
    }
    assert_int_equal(session_waiting(n), 10);
    assert_int_equal(n->dropped, 12);
}

static void the_highest_qos_of_several_matches(void **state)
{
    struct unit *u = *state;
    struct session *n = make(u, "a", 10);
    struct match m[3] = {{.h = n->h, .o = {.qos = 0}}, {.h = n->h, .o = {.qos = 2}}, {.h = n->h, .o = {.qos = 1}}};
    struct pub p = unit_pub("t", "x", 2);
    session_deliver(n, &p, m, 3);
    pub_fini(u->shard[0], &p);
    assert_int_equal(session_waiting(n), 1);
    assert_int_equal(((struct delivery *)ring_at(&n->deliveries, 0))->qos, 2);
}

static void no_local_is_for_the_publisher_only(void **state)
{
    struct unit *u = *state;
    struct session *n = make(u, "a", 10);
    struct match m[2] = {{.h = n->h, .o = {.qos = 1, .no_local = true}}, {.h = n->h, .o = {.qos = 2}}};
    struct pub p = unit_pub("t", "x", 2);
    p.from = n->h;
    session_deliver(n, &p, m, 1);
    assert_int_equal(session_waiting(n), 0);
    session_deliver(n, &p, m, 2); /* another subscription of the same session wants it */
    assert_int_equal(session_waiting(n), 1);
    p.from = n->h + 1;
    session_deliver(n, &p, m, 1);
    assert_int_equal(session_waiting(n), 2);
    pub_fini(u->shard[0], &p);
}

static void ends_when_its_time_is_over(void **state)
{
    struct unit *u = *state;
    struct shard *s = u->shard[0];
    struct session *a = make(u, "a", 10), *b = make(u, "b", 0);
    s->now = 5000;
    session_detach(b);
    assert_null(session_find(s, bytes_str("b")));
    session_detach(a);
    assert_int_equal(shard_next_deadline(s), 15000);
    shard_tick(s, 14999);
    assert_non_null(session_find(s, bytes_str("a")));
    shard_tick(s, 15000);
    assert_null(session_find(s, bytes_str("a")));
    assert_true(shard_next_deadline(s) == MSEC_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(found_by_its_id, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(none_without_memory, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(ids_start_at_1_and_skip_0, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(ids_in_use_are_skipped, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(queue_of_one_that_is_away, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(the_highest_qos_of_several_matches, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(no_local_is_for_the_publisher_only, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(ends_when_its_time_is_over, unit_setup, unit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
