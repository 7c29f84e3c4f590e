/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What clients of 3.1 ("MQIsdp") are owed that 3.1.1 would not let pass. */
#include "scenario.h"

static void connects_and_talks_to_newer_ones(void **state)
{
    struct rig *r = *state;
    struct peer *old = rig_clean(r, "old"), *new = rig_connect(r, .id = "new", .clean = true, .proto = PROTO_311);
    rig_subscribe(old, 1, "t:2");
    rig_subscribe(new, 1, "u:2");
    for (uint8_t qos = 0; qos < 3; qos++) {
        rig_publish(new, "t", "to old", qos, false);
        rig_take(old, "t", "to old", qos, false, false);
        rig_publish(old, "u", "to new", qos, false);
        rig_take(new, "u", "to new", qos, false, false);
    }
}

static void connack_has_no_session_flag(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0, "00 01 61");
    rig_expect(c, "20 02 00 00");
    rig_drop(c);
    c = rig_open(*state);
    send_raw_connect(c, 0, "00 01 61");
    rig_expect(c, "20 02 00 00");
    assert_true(rig_has_session(*state, "a"));
}

static void empty_client_id_is_refused(void **state)
{
    for (unsigned clean = 0; clean <= 2; clean += 2) {
        struct peer *c = rig_open(*state);
        send_raw_connect(c, clean, "00 00");
        rig_expect(c, "20 02 00 02");
        rig_expect_closed(c);
    }
}

static void unused_connect_flags_are_let_pass(void **state)
{
    static const struct {
        unsigned flags;
        const char *payload;
    } good[] = {{0x03, "00 01 61"}, {0x2a, "00 01 61"}, {0x82, "00 01 61"}, {0xc2, "00 01 61 00 01 75"}};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct peer *c = rig_open(*state);
        send_raw_connect(c, good[i].flags, good[i].payload);
        rig_expect(c, "20 02 00 00");
        rig_disconnect(c);
    }
}

static void repeated_requests_may_say_dup(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    rig_send_hex(c, "8a 06 00 01 00 01 74 01");
    rig_expect(c, "90 03 00 01 01");
    rig_send_hex(c, "34 06 00 01 74 00 02 78");
    rig_expect(c, "32 06 00 01 74 00 01 78  50 02 00 02");
    rig_send_hex(c, "6a 02 00 02");
    rig_expect(c, "70 02 00 02");
    rig_send_hex(c, "aa 05 00 03 00 01 74");
    rig_expect(c, "b0 02 00 03");
}

static void session_is_shared_with_newer_versions(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_keep(r, "a");
    rig_subscribe(c, 1, "t:1");
    rig_drop(c);
    struct peer *p = rig_clean(r, "p");
    rig_publish(p, "t", "x", 1, false);
    c = rig_connect(r, .id = "a", .proto = PROTO_311, .present = true);
    rig_expect_publish(c, "t", "x", 1, false, false);
    rig_drop(c);
    c = rig_connect(r, .id = "a");
    rig_take(c, "t", "x", 1, true, false);
}

static void ids_longer_than_23_bytes_are_welcome(void **state)
{
    rig_clean(*state, "a client id of far more than twenty-three bytes");
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(connects_and_talks_to_newer_ones, RIG_31),
        RIG_TEST_IN(connack_has_no_session_flag, RIG_31),
        RIG_TEST_IN(empty_client_id_is_refused, RIG_31),
        RIG_TEST_IN(unused_connect_flags_are_let_pass, RIG_31),
        RIG_TEST_IN(repeated_requests_may_say_dup, RIG_31 | RIG_ONE_SHARD),
        RIG_TEST_IN(session_is_shared_with_newer_versions, RIG_31),
        RIG_TEST_IN(ids_longer_than_23_bytes_are_welcome, RIG_31),
    };
    return RIG_MAIN(tests);
}
