/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Publications in memory: one block for all who keep them, large payloads by reference, nothing without memory. */
#include "unit_core.h"

static void made_once_and_counted(void **state)
{
    struct unit *u = *state;
    struct shard *s = u->shard[0];
    char topic[] = "a/b", payload[] = "hello";
    struct pub p = unit_pub(topic, payload, 1);
    p.retain = true;
    p.props = bytes_str("props");
    struct message *m = pub_message(s, &p);
    assert_non_null(m);
    assert_ptr_equal(pub_message(s, &p), m);
    message_ref(m);
    pub_fini(s, &p);
    memset(topic, '-', sizeof(topic) - 1); /* it owns what it shows */
    memset(payload, '-', sizeof(payload) - 1);
    assert_true(bytes_equal(message_topic(m), bytes_str("a/b")));
    assert_true(bytes_equal(message_payload(m), bytes_str("hello")));
    assert_true(bytes_equal(message_props(m), bytes_str("props")));
    assert_true(m->retain && m->qos == 1 && m->expires == MSEC_NEVER);
    message_unref(s, m);
}

static void empty_payload(void **state)
{
    struct unit *u = *state;
    struct pub p = unit_pub("t", "", 0);
    struct message *m = pub_message(u->shard[0], &p);
    assert_int_equal(message_payload(m).n, 0);
    assert_int_equal(message_props(m).n, 0);
    pub_fini(u->shard[0], &p);
}

static void payload_in_a_blob_is_shared(void **state)
{
    struct unit *u = *state;
    struct shard *s = u->shard[0];
    struct pub p = unit_pub("t", "a large payload, if you like", 2);
    struct blob *b = pub_blob(&p);
    assert_non_null(b);
    assert_ptr_equal(pub_blob(&p), b);
    assert_int_equal(atomic_load(&b->refs), 1);
    struct message *m = message_ref(pub_message(s, &p));
    assert_int_equal(atomic_load(&b->refs), 2);
    assert_ptr_equal(message_payload(m).p, b->p);
    pub_fini(s, &p);
    assert_int_equal(atomic_load(&b->refs), 1);
    assert_true(bytes_equal(message_payload(m), bytes_str("a large payload, if you like")));
    message_unref(s, m);
}

static void seen_again_as_a_publication(void **state)
{
    struct unit *u = *state;
    struct shard *s = u->shard[0];
    struct pub p = unit_pub("t", "x", 2), again;
    (void)pub_blob(&p);
    struct message *m = message_ref(pub_message(s, &p));
    pub_fini(s, &p);
    message_pub(m, &again);
    assert_true(bytes_equal(again.topic, bytes_str("t")) && bytes_equal(again.payload, bytes_str("x")));
    assert_int_equal(again.qos, 2);
    assert_ptr_equal(pub_message(s, &again), m); /* and is not made a second time */
    message_unref(s, m);
    pub_fini(s, &again);
}

static void of_all_sizes(void **state)
{
    struct unit *u = *state;
    struct shard *s = u->shard[0];
    static char payload[20100];
    memset(payload, 'x', sizeof(payload));
    struct message *kept[200];
    for (unsigned i = 0; i < 200; i++) {
        struct pub p = unit_pub("topic", "", 0);
        p.payload = bytes_of(payload, i * 100 + i);
        kept[i] = message_ref(pub_message(s, &p));
        pub_fini(s, &p);
    }
    for (unsigned i = 0; i < 200; i++) {
        assert_true(bytes_equal(message_payload(kept[i]), bytes_of(payload, i * 100 + i)));
        assert_true(bytes_equal(message_topic(kept[i]), bytes_str("topic")));
        message_unref(s, kept[i]);
    }
}

static void without_memory(void **state)
{
    struct unit *u = *state;
    struct shard *s = u->shard[0];
    static char large[20000];
    struct pub p = unit_pub("t", "", 1);
    p.payload = bytes_of(large, sizeof(large));
    mem_fail_at(1);
    assert_null(pub_message(s, &p));
    mem_fail_at(1);
    assert_null(pub_blob(&p));
    mem_fail_at(0);
    assert_non_null(pub_blob(&p));
    assert_non_null(pub_message(s, &p));
    pub_fini(s, &p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(made_once_and_counted, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(empty_payload, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(payload_in_a_blob_is_shared, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(seen_again_as_a_publication, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(of_all_sizes, unit_setup, unit_teardown),
        cmocka_unit_test_setup_teardown(without_memory, unit_setup, unit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
