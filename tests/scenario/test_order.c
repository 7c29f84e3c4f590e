/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Order: of one publisher on one topic, at each subscriber, over shards, kinds of QoS and reconnects. */
#include "scenario.h"

static void in_order_at_every_qos__MQTT_4_6_0_5__MQTT_4_6_0_6__MQTT5_4_6_0_5__MQTT5_4_6_0_6(void **state)
{
    struct rig *r = *state;
    for (uint8_t qos = 0; qos < 3; qos++) {
        struct peer *p = rig_clean(r, "p"), *c[6];
        char filter[8];
        snprintf(filter, sizeof(filter), "t/+:%u", qos);
        for (unsigned i = 0; i < 6; i++) {
            c[i] = rig_connect(r, .id = numbered(i), .clean = i % 2 == 0);
            rig_subscribe(c[i], 1, filter);
        }
        for (unsigned i = 0; i < 200; i++)
            rig_send_publish(p, "t/x", numbered(i), qos, false, qos > 0 ? (uint16_t)(i + 1) : 0);
        for (unsigned i = 0; i < 6; i++) {
            for (unsigned k = 0; k < 200; k++)
                rig_take(c[i], "t/x", numbered(k), qos, false, false);
            rig_expect_nothing(c[i]);
            rig_drop(c[i]);
            rig_drop(rig_connect(r, .id = numbered(i), .clean = true));
        }
        rig_drop(p);
    }
}

/* Mixed kinds of QoS, too: nothing overtakes. */
static void mixed_qos_keeps_order(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_keep(r, "a"), *b = rig_clean(r, "b");
    rig_subscribe(a, 1, "t:2");
    rig_subscribe(b, 1, "t:2");
    uint8_t qos[300];
    uint64_t seed = 7;
    for (unsigned i = 0; i < 300; i++) {
        qos[i] = (uint8_t)(rig_random(&seed) % 2);
        rig_send_publish(p, "t", numbered(i), qos[i], false, qos[i] > 0 ? (uint16_t)(i + 1) : 0);
        if (i % 17 == 0)
            rig_run(r);
    }
    for (unsigned i = 0; i < 300; i++) {
        rig_take(a, "t", numbered(i), qos[i], false, false);
        rig_take(b, "t", numbered(i), qos[i], false, false);
    }
}

static void order_stands_over_reconnects__MQTT_4_6_0_1__MQTT_4_6_0_6__MQTT5_4_6_0_1__MQTT5_4_6_0_6(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, "p"), *a = rig_keep(r, "a");
    rig_subscribe(a, 1, "t:2");
    unsigned next = 0, sent = 0;
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 15; i++, sent++)
            rig_publish(p, "t", numbered(sent), 1, false);
        unsigned at = next;
        struct packet q;
        while (rig_next(a, &q)) {
            char want[16];
            snprintf(want, sizeof(want), "m%u", at);
            assert_true(bytes_equal(q.publish.payload, bytes_str(want)));
            if (at - next < 3)
                rig_send_ack(a, PACKET_PUBACK, q.publish.id);
            at++;
            if (at - next == 3) {
                next = at;
                break;
            }
        }
        rig_run(r);
        rig_drop(a);
        a = rig_resume(r, "a");
    }
    for (; next < sent; next++) {
        struct packet q;
        rig_expect_packet(a, PACKET_PUBLISH, &q);
        assert_true(bytes_equal(q.publish.payload, bytes_str(numbered(next))));
        rig_send_ack(a, PACKET_PUBACK, q.publish.id);
    }
    rig_expect_nothing(a);
}

/* The will comes behind what its client published before. */
static void will_comes_last(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "t:1");
    struct peer *c = rig_connect(r, .id = "a", .clean = true, .will_topic = "t", .will = "will", .will_qos = 1);
    for (unsigned i = 0; i < 10; i++)
        rig_send_publish(c, "t", numbered(i), 1, false, (uint16_t)(i + 1));
    rig_send_hex(c, "36 00");
    rig_run(r);
    for (unsigned i = 0; i < 10; i++)
        rig_take(w, "t", numbered(i), 1, false, false);
    rig_take(w, "t", "will", 1, false, false);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(in_order_at_every_qos__MQTT_4_6_0_5__MQTT_4_6_0_6__MQTT5_4_6_0_5__MQTT5_4_6_0_6, RIG_WHOLE),
        RIG_TEST(mixed_qos_keeps_order),
        RIG_TEST(order_stands_over_reconnects__MQTT_4_6_0_1__MQTT_4_6_0_6__MQTT5_4_6_0_1__MQTT5_4_6_0_6),
        RIG_TEST(will_comes_last),
    };
    return RIG_MAIN(tests);
}
