/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions and wills: what outlives a connection, and what is published when one ends. */
#include "e2e/e2e.h"

static uint16_t port(void **state)
{
    return ((struct broker *)*state)->ports[0];
}

static void kept_session_is_resumed__MQTT_3_1_2_4__MQTT_3_2_2_2__MQTT_3_2_2_3__MQTT_4_1_0_1(void **state)
{
    struct peer *p = durable_client(port(state), "kept", false);
    peer_subscribe(p, 1, "kept/#", 1);
    peer_disconnect(p);
    p = durable_client(port(state), "kept", true);
    struct peer *publisher = client(port(state), "kept-publisher");
    peer_packet(publisher, 0x30, "<kept/topic> 'still subscribed'");
    peer_expect_publish(p, 0, "kept/topic", "still subscribed");
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void messages_wait_for_a_client_that_is_away__MQTT_3_1_2_5__MQTT_4_5_0_1(void **state)
{
    struct peer *p = durable_client(port(state), "away", false);
    peer_subscribe(p, 1, "away/#", 2);
    peer_disconnect(p);
    struct peer *publisher = client(port(state), "away-publisher");
    peer_packet(publisher, 0x32, "<away/one> 0001 'one'");
    peer_expect(publisher, "40 02 0001");
    peer_packet(publisher, 0x34, "<away/two> 0002 'two'");
    peer_expect(publisher, "50 02 0002");
    peer_send(publisher, "62 02 0002");
    peer_expect(publisher, "70 02 0002");
    p = durable_client(port(state), "away", true);
    uint16_t one = peer_expect_publish(p, 2, "away/one", "one");
    uint16_t two = peer_expect_publish(p, 4, "away/two", "two");
    assert_int_not_equal(one, two);
    peer_send(p, "40 02 %04x 50 02 %04x", one, two);
    peer_expect(p, "62 02 %04x", two);
    peer_send(p, "70 02 %04x", two);
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void clean_session_throws_the_old_one_away__MQTT_3_1_2_6__MQTT_3_2_2_1__MQTT_3_1_4_3(void **state)
{
    struct peer *p = durable_client(port(state), "cleaned", false);
    peer_subscribe(p, 1, "cleaned/#", 1);
    peer_disconnect(p);
    p = client(port(state), "cleaned");
    struct peer *publisher = client(port(state), "cleaned-publisher");
    peer_packet(publisher, 0x32, "<cleaned/topic> 0001 'nobody'");
    peer_expect(publisher, "40 02 0001");
    peer_ping(p);
    peer_disconnect(p);
    /* And the clean one has left nothing behind either. */
    p = durable_client(port(state), "cleaned", false);
    peer_ping(p);
    peer_disconnect(p);
    peer_disconnect(publisher);
}

static void session_lasts_as_long_as_its_connection__MQTT_4_1_0_2(void **state)
{
    struct peer *p = client(port(state), "lasting");
    peer_subscribe(p, 1, "lasting/#", 0);
    for (int i = 0; i < 20; i++)
        peer_ping(p);
    peer_packet(p, 0x30, "<lasting/topic> 'here'");
    peer_expect_publish(p, 0, "lasting/topic", "here");
    peer_disconnect(p);
}

static void take_over_keeps_the_session(void **state)
{
    struct peer *one = durable_client(port(state), "moving", false);
    peer_subscribe(one, 1, "moving/#", 1);
    struct peer *two = durable_client(port(state), "moving", true);
    peer_expect_close(one);
    peer_packet(two, 0x30, "<moving/topic> 'to me'");
    peer_expect_publish(two, 0, "moving/topic", "to me");
    peer_close(one);
    peer_disconnect(two);
}

static void retained_messages_outlive_sessions__MQTT_3_1_2_7(void **state)
{
    struct peer *p = client(port(state), "retainer");
    peer_packet(p, 0x33, "<outlive/topic> 0001 'kept'");
    peer_expect(p, "40 02 0001");
    peer_disconnect(p);
    p = client(port(state), "retainer");
    peer_subscribe(p, 1, "outlive/topic", 0);
    peer_expect_publish(p, 1, "outlive/topic", "kept");
    peer_disconnect(p);
}

/* Unacknowledged packets, again after a reconnect. */

static void unacked_qos_1_comes_again__MQTT_4_4_0_1__MQTT_3_3_1_1__MQTT_4_6_0_1__MQTT_2_3_1_4(void **state)
{
    struct peer *p = durable_client(port(state), "again-1", false);
    peer_subscribe(p, 1, "again-1/#", 1);
    uint16_t ids[5];
    char payload[8];
    struct peer *publisher = client(port(state), "again-1-publisher");
    for (unsigned i = 0; i < 5; i++) {
        peer_packet(publisher, 0x32, "<again-1/t> %04x 'm%u'", i + 1, i);
        peer_expect(publisher, "40 02 %04x", i + 1);
        snprintf(payload, sizeof payload, "m%u", i);
        ids[i] = peer_expect_publish(p, 2, "again-1/t", payload);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(ids[k], ids[i]);
    }
    peer_send(p, "40 02 %04x", ids[1]);
    peer_ping(p);
    peer_abort(p);
    p = durable_client(port(state), "again-1", true);
    for (unsigned i = 0; i < 5; i++) {
        if (i == 1)
            continue;
        snprintf(payload, sizeof payload, "m%u", i);
        assert_int_equal(peer_expect_publish(p, 0xa, "again-1/t", payload), ids[i]);
    }
    peer_ping(p);
    peer_disconnect(publisher);
    peer_disconnect(p);
}

static void pubrel_comes_again_and_no_publish__MQTT_4_4_0_1__MQTT_4_3_3_1(void **state)
{
    struct peer *p = durable_client(port(state), "again-2", false);
    peer_subscribe(p, 1, "again-2/#", 2);
    peer_packet(p, 0x34, "<again-2/t> 0009 'm'");
    peer_expect(p, "50 02 0009");
    peer_send(p, "62 02 0009");
    uint8_t *body;
    size_t size;
    uint16_t id = 0;
    /* PUBCOMP and the delivery may come in either order. */
    for (int i = 0; i < 2; i++) {
        uint8_t first = peer_read_packet(p, &body, &size);
        if (first == 0x34)
            id = (uint16_t)(body[size - 3] << 8 | body[size - 2]);
        else
            assert_int_equal(first, 0x70);
        free(body);
    }
    assert_int_not_equal(id, 0);
    peer_abort(p);

    p = durable_client(port(state), "again-2", true);
    assert_int_equal(peer_expect_publish(p, 0xc, "again-2/t", "m"), id);
    peer_send(p, "50 02 %04x", id);
    peer_expect(p, "62 02 %04x", id);
    peer_abort(p);

    p = durable_client(port(state), "again-2", true);
    peer_expect(p, "62 02 %04x", id);
    peer_send(p, "70 02 %04x", id);
    peer_ping(p);
    peer_disconnect(p);

    p = durable_client(port(state), "again-2", true);
    peer_ping(p);
    peer_disconnect(p);
}

static void half_received_qos_2_survives_a_reconnect__MQTT_4_3_3_2(void **state)
{
    struct peer *watcher = client(port(state), "half-watcher");
    peer_subscribe(watcher, 1, "half/#", 0);
    struct peer *p = durable_client(port(state), "half", false);
    peer_packet(p, 0x34, "<half/t> 0007 'once'");
    peer_expect(p, "50 02 0007");
    peer_abort(p);
    p = durable_client(port(state), "half", true);
    peer_packet(p, 0x3c, "<half/t> 0007 'once'");
    peer_expect(p, "50 02 0007");
    peer_send(p, "62 02 0007");
    peer_expect(p, "70 02 0007");
    peer_expect_publish(watcher, 0, "half/t", "once");
    peer_ping(watcher);
    peer_disconnect(p);
    peer_disconnect(watcher);
}

/* Wills. */

static struct peer *with_will(void **state, const char *name, unsigned flags, const char *topic, const char *message)
{
    struct peer *p = peer_tcp(port(state));
    peer_packet(p, 0x10, "<MQTT> 04 %02x 0001 <%s> <%s> <%s>", 6 | flags, name, topic, message);
    peer_expect(p, "20 02 00 00");
    return p;
}

static void will_is_published_when_the_connection_breaks__MQTT_3_1_2_8__MQTT_3_1_2_16(void **state)
{
    struct peer *watcher = client(port(state), "will-watcher");
    peer_subscribe(watcher, 1, "will/#", 2);
    peer_abort(with_will(state, "will-reset", 0, "will/reset", "gone"));
    peer_expect_publish(watcher, 0, "will/reset", "gone");
    peer_close(with_will(state, "will-closed", 0x08, "will/closed", "gone"));
    uint16_t id = peer_expect_publish(watcher, 2, "will/closed", "gone");
    peer_send(watcher, "40 02 %04x", id);
    struct peer *late = client(port(state), "will-late");
    peer_subscribe(late, 1, "will/#", 0);
    peer_ping(late);
    peer_disconnect(late);
    peer_disconnect(watcher);
}

static void will_is_published_after_a_protocol_error__MQTT_3_1_2_8(void **state)
{
    struct peer *watcher = client(port(state), "will-error-watcher");
    peer_subscribe(watcher, 1, "will-error/#", 0);
    struct peer *p = with_will(state, "will-error", 0, "will-error/t", "broke the rules");
    peer_send(p, "36 05 <t> 0001");
    peer_expect_close(p);
    peer_expect_publish(watcher, 0, "will-error/t", "broke the rules");
    peer_close(p);
    peer_disconnect(watcher);
}

static void will_is_published_after_a_keep_alive_timeout__MQTT_3_1_2_8__MQTT_3_1_2_24(void **state)
{
    struct peer *watcher = client(port(state), "will-silent-watcher");
    peer_subscribe(watcher, 1, "will-silent/#", 0);
    struct peer *p = with_will(state, "will-silent", 0, "will-silent/t", "asleep");
    peer_expect_publish(watcher, 0, "will-silent/t", "asleep");
    peer_expect_close(p);
    peer_close(p);
    peer_disconnect(watcher);
}

static void will_is_published_at_take_over(void **state)
{
    struct peer *watcher = client(port(state), "will-taken-watcher");
    peer_subscribe(watcher, 1, "will-taken/#", 0);
    struct peer *one = with_will(state, "will-taken", 0, "will-taken/t", "replaced");
    struct peer *two = client(port(state), "will-taken");
    peer_expect_publish(watcher, 0, "will-taken/t", "replaced");
    peer_expect_close(one);
    peer_close(one);
    peer_disconnect(two);
    peer_disconnect(watcher);
}

static void disconnect_removes_the_will__MQTT_3_14_4_3__MQTT_3_1_2_10(void **state)
{
    struct peer *watcher = client(port(state), "will-left-watcher");
    peer_subscribe(watcher, 1, "will-left/#", 0);
    peer_disconnect(with_will(state, "will-left", 0, "will-left/t", "never"));
    peer_ping(watcher);
    /* Nor does it come back with the next connection of that name. */
    peer_abort(client(port(state), "will-left"));
    peer_expect_silence(watcher, 200);
    peer_disconnect(watcher);
}

static void will_is_published_once__MQTT_3_1_2_10(void **state)
{
    struct peer *watcher = client(port(state), "will-once-watcher");
    peer_subscribe(watcher, 1, "will-once/#", 0);
    peer_abort(with_will(state, "will-once", 0, "will-once/t", "once"));
    peer_expect_publish(watcher, 0, "will-once/t", "once");
    peer_abort(client(port(state), "will-once"));
    peer_expect_silence(watcher, 200);
    peer_disconnect(watcher);
}

static void no_will_flag_no_will__MQTT_3_1_2_12(void **state)
{
    struct peer *watcher = client(port(state), "will-none-watcher");
    peer_subscribe(watcher, 1, "#", 0);
    /* What others have retained comes first. */
    peer_drain(watcher);
    peer_abort(client(port(state), "will-none"));
    peer_expect_silence(watcher, 200);
    peer_disconnect(watcher);
}

static void retained_will_is_retained__MQTT_3_1_2_17(void **state)
{
    struct peer *watcher = client(port(state), "will-kept-watcher");
    peer_subscribe(watcher, 1, "will-kept/#", 0);
    peer_abort(with_will(state, "will-kept", 0x20, "will-kept/t", "offline"));
    peer_expect_publish(watcher, 0, "will-kept/t", "offline");
    struct peer *late = client(port(state), "will-kept-late");
    peer_subscribe(late, 1, "will-kept/#", 0);
    peer_expect_publish(late, 1, "will-kept/t", "offline");
    peer_disconnect(late);
    peer_disconnect(watcher);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_session_is_resumed__MQTT_3_1_2_4__MQTT_3_2_2_2__MQTT_3_2_2_3__MQTT_4_1_0_1),
        cmocka_unit_test(messages_wait_for_a_client_that_is_away__MQTT_3_1_2_5__MQTT_4_5_0_1),
        cmocka_unit_test(clean_session_throws_the_old_one_away__MQTT_3_1_2_6__MQTT_3_2_2_1__MQTT_3_1_4_3),
        cmocka_unit_test(session_lasts_as_long_as_its_connection__MQTT_4_1_0_2),
        cmocka_unit_test(take_over_keeps_the_session),
        cmocka_unit_test(retained_messages_outlive_sessions__MQTT_3_1_2_7),
        cmocka_unit_test(unacked_qos_1_comes_again__MQTT_4_4_0_1__MQTT_3_3_1_1__MQTT_4_6_0_1__MQTT_2_3_1_4),
        cmocka_unit_test(pubrel_comes_again_and_no_publish__MQTT_4_4_0_1__MQTT_4_3_3_1),
        cmocka_unit_test(half_received_qos_2_survives_a_reconnect__MQTT_4_3_3_2),
        cmocka_unit_test(will_is_published_when_the_connection_breaks__MQTT_3_1_2_8__MQTT_3_1_2_16),
        cmocka_unit_test(will_is_published_after_a_protocol_error__MQTT_3_1_2_8),
        cmocka_unit_test(will_is_published_after_a_keep_alive_timeout__MQTT_3_1_2_8__MQTT_3_1_2_24),
        cmocka_unit_test(will_is_published_at_take_over),
        cmocka_unit_test(disconnect_removes_the_will__MQTT_3_14_4_3__MQTT_3_1_2_10),
        cmocka_unit_test(will_is_published_once__MQTT_3_1_2_10),
        cmocka_unit_test(no_will_flag_no_will__MQTT_3_1_2_12),
        cmocka_unit_test(retained_will_is_retained__MQTT_3_1_2_17),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
