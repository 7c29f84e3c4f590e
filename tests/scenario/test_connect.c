/* SPDX-License-Identifier: GPL-3.0-or-later */
/* CONNECT and CONNACK: what is accepted, what is refused and with which words, and what is answered with silence. */
#include "scenario.h"

static void first_packet_must_be_connect__MQTT_3_1_0_1__MQTT5_3_1_0_1__MQTT5_3_14_0_1(void **state)
{
    static const char *const others[] = {"20 02 00 00",
                                         "30 03 00 01 74",
                                         "40 02 00 01",
                                         "50 02 00 01",
                                         "62 02 00 01",
                                         "70 02 00 01",
                                         "82 06 00 01 00 01 74 00",
                                         "90 03 00 01 00",
                                         "a2 05 00 01 00 01 74",
                                         "b0 02 00 01",
                                         "c0 00",
                                         "d0 00",
                                         "e0 00",
                                         "f0 00",
                                         "00 00"};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, others[i]);
        rig_expect_closed(c);
    }
}

static void first_byte_alone_is_refused(void **state)
{
    struct peer *c = rig_open(*state);
    rig_send_hex(c, "47"); /* the G of an HTTP request */
    rig_expect_closed(c);
}

static void second_connect_closes__MQTT_3_1_0_2__MQTT5_3_1_0_2(void **state)
{
    struct peer *c = rig_clean(*state, "a");
    send_raw_connect(c, 2, "00 01 61");
    rig_expect_ended(c, REASON_PROTOCOL_ERROR);
}

static void unknown_protocol_name_closes__MQTT_3_1_2_1__MQTT5_3_1_2_1(void **state)
{
    static const char *const names[] = {"10 0d 00 04 4d 51 54 58 04 02 00 3c 00 01 61",
                                        "10 0d 00 04 6d 71 74 74 04 02 00 3c 00 01 61",
                                        "10 0c 00 03 4d 51 54 04 02 00 3c 00 01 61", "10 09 00 00 04 02 00 3c 00 01 61",
                                        "10 0f 00 06 4d 51 49 73 64 58 03 02 00 3c 00 01 61"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, names[i]);
        rig_expect_closed(c);
    }
}

static void unknown_level_is_answered_1__MQTT_3_1_2_2__MQTT_3_2_2_5__MQTT5_3_1_2_2(void **state)
{
    static const char *const levels[] = {
        "10 0d 00 04 4d 51 54 54 03 02 00 3c 00 01 61", "10 0d 00 04 4d 51 54 54 06 02 00 3c 00 01 61",
        "10 0d 00 04 4d 51 54 54 84 02 00 3c 00 01 61", "10 0d 00 04 4d 51 54 54 00 02 00 3c 00 01 61"};
    for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, levels[i]);
        rig_expect(c, "20 02 00 01");
        rig_expect_closed(c);
    }
}

static void version_5_is_refused_in_its_own_words(void **state)
{
    struct rig *r = *state;
    r->origin.versions = 1u << PROTO_31 | 1u << PROTO_311;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .proto = PROTO_5});
    rig_expect_refused(c, REASON_UNSUPPORTED_PROTOCOL_VERSION);
}

static void listener_may_refuse_a_version__MQTT5_3_1_2_2__MQTT5_4_13_2_1(void **state)
{
    struct rig *r = *state;
    r->origin.versions = (uint8_t) ~(1u << r->proto);
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true});
    rig_expect_connack(c, false, 1);
    rig_expect_closed(c);
}

static void reserved_connect_flag_closes__MQTT_3_1_2_3__MQTT5_3_1_2_3(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 3, "00 01 61");
    refuses_malformed(c);
}

/* [MQTT5-3.1.2-11] [MQTT5-3.1.2-13] */
static void will_flags_without_will_close__MQTT_3_1_2_11__MQTT_3_1_2_13__MQTT_3_1_2_15(void **state)
{
    static const unsigned flags[] = {0x02 | 0x08, 0x02 | 0x10, 0x02 | 0x18, 0x02 | 0x20, 0x02 | 0x28};
    for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
        struct peer *c = rig_open(*state);
        send_raw_connect(c, flags[i], "00 01 61");
        refuses_malformed(c);
    }
    struct peer *c = rig_open(*state); /* a will that no flag announces is trailing bytes */
    send_raw_connect(c, 2, "00 01 61 00 01 77 00 01 78");
    refuses_malformed(c);
}

static void will_qos_3_closes__MQTT_3_1_2_14(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0x02 | 0x04 | 0x18, "00 01 61 00 01 77 00 01 78");
    rig_expect_closed(c);
}

static void will_flag_needs_topic_and_message__MQTT_3_1_2_9(void **state)
{
    static const char *const payloads[] = {"00 01 61", "00 01 61 00 01 77", "00 01 61 00 01 77 00 02 78"};
    for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++) {
        struct peer *c = rig_open(*state);
        send_raw_connect(c, 0x02 | 0x04, payloads[i]);
        rig_expect_closed(c);
    }
}

/* [MQTT5-3.1.2-16] [MQTT5-3.1.2-17] */
static void user_name_and_its_flag_agree__MQTT_3_1_2_18__MQTT_3_1_2_19(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0x02, "00 01 61 00 01 75");
    refuses_malformed(c);
    c = rig_open(*state);
    send_raw_connect(c, 0x82, "00 01 61");
    refuses_malformed(c);
    c = rig_open(*state);
    send_raw_connect(c, 0x82, "00 01 61 00 01 75");
    rig_expect_connack(c, false, 0);
}

/* [MQTT5-3.1.2-18] [MQTT5-3.1.2-19] */
static void password_and_its_flag_agree__MQTT_3_1_2_20__MQTT_3_1_2_21(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0x82, "00 01 61 00 01 75 00 01 70");
    refuses_malformed(c);
    c = rig_open(*state);
    send_raw_connect(c, 0xc2, "00 01 61 00 01 75");
    refuses_malformed(c);
    c = rig_open(*state);
    send_raw_connect(c, 0xc2, "00 01 61 00 01 75 00 01 70");
    rig_expect_connack(c, false, 0);
}

static void password_without_user_closes__MQTT_3_1_2_22(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0x42, "00 01 61 00 01 70");
    rig_expect_closed(c);
}

/* Each field is one that the others could not be. */
static void payload_fields_have_their_order__MQTT_3_1_3_1__MQTT_3_1_2_9(void **state)
{
    struct rig *r = *state;
    rig_user(r, "usr", "pwd", NULL, 0, true);
    struct peer *watcher = rig_connect(r, .id = "w", .clean = true, .user = "usr", .password = "pwd");
    rig_subscribe(watcher, 1, "wt:2");
    struct peer *c = rig_open(r);
    send_raw_connect(c, 0xc2 | 0x04 | 0x08, "00 02 69 64 00 02 77 74 00 03 6d 73 67 00 03 75 73 72 00 03 70 77 64");
    rig_expect_connack(c, false, 0);
    assert_true(rig_has_session(r, "id"));
    rig_drop(c);
    rig_take(watcher, "wt", "msg", 1, false, false);
}

static void client_id_must_be_there__MQTT_3_1_3_3__MQTT5_3_1_3_3(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 2, "");
    refuses_malformed(c);
    c = rig_open(*state);
    send_raw_connect(c, 2, "00 05 61 62");
    refuses_malformed(c);
}

static void strings_of_connect_are_utf8__MQTT_3_1_3_4__MQTT_3_1_3_10__MQTT_3_1_3_11(void **state)
{
    static const struct {
        unsigned flags;
        const char *payload;
    } bad[] = {
        {0x02, "00 02 61 ff"},
        {0x02, "00 02 c0 80"},
        {0x02, "00 01 00"},
        {0x06, "00 01 61 00 02 77 ff 00 01 78"},
        {0x82, "00 01 61 00 02 75 ff"},
        {0x82, "00 01 61 00 03 ed a0 80"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct peer *c = rig_open(*state);
        send_raw_connect(c, bad[i].flags, bad[i].payload);
        rig_expect_closed(c);
    }
}

static void password_and_will_message_are_any_bytes(void **state)
{
    struct peer *w = rig_clean(*state, "w");
    rig_subscribe(w, 1, "t:0");
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 0xc6, "00 01 61 00 01 74 00 02 ff 00 00 01 75 00 02 ff 00");
    rig_expect_connack(c, false, 0);
    rig_drop(c);
    rig_expect(w, "30 05 00 01 74 ff 00");
}

static void plain_client_ids_are_accepted__MQTT_3_1_3_5__MQTT5_3_1_3_5(void **state)
{
    struct rig *r = *state;
    static const char all[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    for (size_t n = 1; n <= 23; n++)
        for (size_t at = 0; at + n <= strlen(all); at += 13)
            rig_disconnect(rig_connect(r, .id = all + at, .id_n = n, .clean = true));
}

static void long_and_odd_client_ids_are_accepted(void **state)
{
    struct rig *r = *state;
    static char id[65535];
    memset(id, 'x', sizeof(id));
    struct peer *c = rig_connect(r, .id = id, .id_n = sizeof(id));
    rig_subscribe(c, 1, "t:1");
    rig_drop(c);
    c = rig_connect(r, .id = id, .id_n = sizeof(id), .present = true);
    struct peer *other = rig_connect(r, .id = id, .id_n = sizeof(id) - 1, .clean = true);
    rig_publish(other, "t", "x", 1, false);
    rig_take(c, "t", "x", 1, false, false);
    rig_clean(r, "a/+/# \"\\ ü");
}

static void empty_client_id_gets_one_of_its_own__MQTT_3_1_3_6(void **state)
{
    struct rig *r = *state;
    struct peer *a = rig_connect(r, .clean = true), *b = rig_connect(r, .clean = true);
    rig_subscribe(b, 1, "t:0");
    rig_publish(a, "t", "x", 1, false); /* two sessions, not one that was taken over */
    rig_take(b, "t", "x", 0, false, false);
}

static void empty_client_id_that_wants_to_come_back_is_answered_2__MQTT_3_1_3_8__MQTT_3_1_3_9(void **state)
{
    struct peer *c = rig_start(*state, &(struct rig_connect){.clean = false});
    rig_expect_connack(c, false, 2);
    rig_expect_closed(c);
}

static void malformed_connect_is_not_answered__MQTT_3_1_4_1__MQTT_3_2_2_6(void **state)
{
    static const char *const bad[] = {"10 00",
                                      "10 02 00 04",
                                      "10 06 00 04 4d 51 54 54",
                                      "10 08 00 04 4d 51 54 54 04 02",
                                      "10 0e 00 04 4d 51 54 54 04 02 00 3c 00 01 61 00",
                                      "11 0d",
                                      "1f 00",
                                      "10 ff ff ff ff 01"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, bad[i]);
        rig_expect_closed(c);
    }
}

static void accepted_connect_is_answered_0__MQTT_3_1_4_4__MQTT_3_2_0_1__MQTT_3_2_2_1(void **state)
{
    struct peer *c = rig_open(*state);
    rig_expect_nothing(c);
    send_raw_connect(c, 2, "00 01 61");
    rig_send_hex(c, "c0 00");
    rig_expect(c, "20 02 00 00 d0 00");
    rig_expect_nothing(c);
}

/* Everything that a client sends together with its CONNECT is done once that is accepted ... */
static void what_follows_connect_is_done_in_order(void **state)
{
    struct peer *c = rig_open(*state);
    send_raw_connect(c, 2, "00 01 61");
    rig_send_subscribe(c, 1, "t:1");
    rig_send_publish(c, "t", "x", 0, false, 0);
    rig_send_hex(c, "c0 00");
    rig_expect_connack(c, false, 0);
    rig_expect_suback(c, 1, "01");
    rig_take(c, "t", "x", 0, false, false);
    rig_expect(c, "d0 00");
}

/* ... and dropped when it is not. [MQTT5-3.1.4-6] */
static void nothing_behind_a_refused_connect_is_done__MQTT_3_1_4_5__MQTT_3_2_2_4__MQTT_3_2_2_5(void **state)
{
    struct rig *r = *state;
    rig_user(r, "usr", "pwd", NULL, 0, true);
    struct peer *w = rig_connect(r, .id = "w", .clean = true, .user = "usr", .password = "pwd");
    rig_subscribe(w, 1, "#:0");
    struct peer *c =
        rig_start(r, &(struct rig_connect){.id = "a", .user = "usr", .password = "no", .will_topic = "t", .will = "x"});
    rig_send_publish(c, "t", "x", 0, true, 0);
    rig_expect_connack(c, false, 4);
    rig_expect_closed(c);
    rig_expect_nothing(w);
    assert_false(rig_has_session(r, "a"));
}

static void who_may_not_come_is_told_why__MQTT_3_2_2_4__MQTT_3_2_2_5__MQTT5_3_1_4_2__MQTT5_3_2_2_7(void **state)
{
    struct rig *r = *state;
    rig_user(r, "usr", "pwd", NULL, 0, true);
    r->origin.anonymous = false;
    static const struct {
        const char *user, *password;
        uint8_t code;
    } cases[] = {{"other", "pwd", 4}, {"usr", "no", 4}, {"usr", NULL, 4}, {NULL, NULL, 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct peer *c =
            rig_start(r, &(struct rig_connect){.id = "a", .user = cases[i].user, .password = cases[i].password});
        rig_expect_connack(c, false, cases[i].code);
        rig_expect_closed(c);
    }
    rig_connect(r, .id = "a", .user = "usr", .password = "pwd");
}

/* A stored session doesn't make a refusal say that it is present. */
static void refusal_says_no_session__MQTT_3_2_2_4__MQTT5_3_2_2_6(void **state)
{
    struct rig *r = *state;
    rig_user(r, "usr", "pwd", NULL, 0, true);
    rig_drop(rig_connect(r, .id = "a", .user = "usr", .password = "pwd"));
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .user = "usr", .password = "no"});
    rig_expect_connack(c, false, 4);
    rig_expect_closed(c);
    rig_connect(r, .id = "a", .user = "usr", .password = "pwd", .present = true);
}

static void session_of_another_user_is_refused__MQTT5_3_1_3_8(void **state)
{
    struct rig *r = *state;
    rig_user(r, "alice", "1", NULL, 0, true);
    rig_user(r, "bob", "2", NULL, 0, true);
    struct peer *a = rig_connect(r, .id = "x", .user = "alice", .password = "1");
    struct peer *b = rig_start(r, &(struct rig_connect){.id = "x", .user = "bob", .password = "2", .clean = true});
    rig_expect_connack(b, false, 2);
    rig_expect_closed(b);
    rig_expect_nothing(a);
    rig_drop(a);
    b = rig_start(r, &(struct rig_connect){.id = "x", .user = "bob", .password = "2"});
    rig_expect_connack(b, false, 2);
    rig_expect_closed(b);
    rig_connect(r, .id = "x", .user = "alice", .password = "1", .present = true);
}

static void nothing_is_read_while_the_authoriser_thinks(void **state)
{
    struct rig *r = *state;
    r->auth_later = true;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true});
    rig_send_hex(c, "c0 00");
    rig_expect_nothing(c);
    rig_advance(r, 60000); /* our own slowness is no reason to end it */
    rig_expect_nothing(c);
    rig_answer_auth(r);
    rig_expect_connack(c, false, 0);
    rig_expect(c, "d0 00");
}

static void answer_for_a_connection_that_is_gone(void **state)
{
    struct rig *r = *state;
    r->auth_later = true;
    for (unsigned i = 0; i < 4; i++)
        rig_drop(rig_start(r, &(struct rig_connect){.id = numbered(i)}));
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "z"});
    rig_run(r);
    rig_end(c, REASON_SERVER_SHUTTING_DOWN);
    rig_answer_auth(r);
    assert_false(rig_has_session(r, "m0"));
    assert_false(rig_has_session(r, "z"));
}

/* It is ended, and before anybody has looked, the answer comes. */
static void answer_for_a_connection_that_is_closing(void **state)
{
    struct rig *r = *state;
    r->auth_later = true;
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a"});
    c->chunk = 0;
    rig_run(r);
    client_end(c->client, REASON_ADMINISTRATIVE_ACTION, r->now);
    rig_answer_auth(r);
    rig_expect_closed(c);
    assert_false(rig_has_session(r, "a"));
}

/* Between the shard where it came in and the one where its session lives. */
static void connection_that_breaks_on_its_way(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 8; i++) {
        struct peer *c = rig_start(r, &(struct rig_connect){.id = numbered(i), .at = 1});
        c->chunk = 0;
        rig_turn(r, 0);
        c->dropped = true;
        rig_run(r);
        assert_null(c->client);
    }
    for (unsigned i = 0; i < 8; i++) {
        struct peer *c = rig_start(r, &(struct rig_connect){.id = numbered(i), .at = 1});
        c->chunk = 0;
        rig_turn(r, 0);
        if (!c->in_transit)
            rig_end(c, REASON_SERVER_SHUTTING_DOWN);
        rig_run(r);
    }
}

static void connect_timeout_is_exact(void **state)
{
    struct rig *r = *state;
    struct peer *silent = rig_open(r), *slow = rig_open(r), *tls = rig_open(r), *done = rig_clean(r, "a");
    client_set_handshaking(tls->client, true);
    rig_send_hex(slow, "10 20 00 04");
    rig_advance(r, r->limits.connect_timeout - 1);
    rig_expect_nothing(silent);
    rig_expect_nothing(slow);
    rig_advance(r, 1);
    rig_expect_closed(silent);
    rig_expect_closed(slow);
    rig_expect_closed(tls);
    rig_expect_nothing(done);
}

/* Queues of the broker's own are none of the peer's fault; each is told once. */
static void waiting_in_our_queues_does_not_count(void **state)
{
    struct rig *r = *state;
    struct peer *tls = rig_open(r), *other = rig_open(r);
    client_set_handshaking(tls->client, true);
    tls->waited = 3000;
    rig_advance(r, r->limits.connect_timeout);
    rig_expect_closed(other);
    rig_advance(r, 2000);
    tls->waited = 500;
    rig_advance(r, 1499);
    rig_expect_nothing(tls);
    rig_advance(r, 1);
    rig_expect_closed(tls);
}

static void few_levels(struct limits *l)
{
    l->max_keepalive = 100;
    l->max_packet_size = 64;
}

static void keep_alive_over_the_limit_is_refused(void **state)
{
    struct rig *r = *state;
    static const uint16_t bad[] = {0, 101, 65535};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .keep_alive = bad[i]});
        rig_expect_connack(c, false, 2);
        rig_expect_closed(c);
    }
    rig_connect(r, .id = "a", .clean = true, .keep_alive = 100);
}

static void connect_over_max_packet_size_closes_at_once(void **state)
{
    struct peer *c = rig_open(*state);
    rig_send_hex(c, "10 7f"); /* its length alone says so */
    rig_expect_closed(c);
}

/* Strangers can have us keep a few large CONNECT packets, not many; small ones always get in. */
static void few_large_connects_at_once(void **state)
{
    struct rig *r = *state;
    enum { PLACES = 16 };
    static char id[60000];
    memset(id, 'x', sizeof(id));
    struct peer *c[PLACES + 1];
    for (unsigned i = 0; i <= PLACES; i++) { /* all but the last byte */
        id[0] = (char)('a' + i);
        c[i] = rig_start(r, &(struct rig_connect){.id = id, .id_n = sizeof(id), .clean = true, .at = 1});
        c[i]->in_n--;
        rig_run(r);
    }
    rig_expect_closed(c[PLACES]);
    rig_clean(r, "small");
    for (unsigned i = 0; i < PLACES / 2; i++) {
        rig_send_bytes(c[i], "x", 1);
        rig_expect_connack(c[i], false, 0);
    }
    rig_drop(c[PLACES / 2]);
    for (unsigned i = 0; i <= PLACES / 2; i++) { /* their places are free again */
        id[0] = (char)('A' + i);
        c[i] = rig_start(r, &(struct rig_connect){.id = id, .id_n = sizeof(id), .clean = true, .at = 1});
        c[i]->in_n--;
        rig_expect_nothing(c[i]);
    }
    rig_advance(r, r->limits.connect_timeout);
    for (unsigned i = 0; i <= PLACES / 2; i++)
        rig_expect_closed(c[i]);
    for (unsigned i = 0; i < 2 * PLACES; i++) {
        id[0] = (char)('A' + i);
        rig_drop(rig_connect(r, .id = id, .id_n = sizeof(id), .clean = true, .at = 1));
    }
}

static void strangers_are_refused_by_their_first_bytes(void **state)
{
    static const char *const first[] = {"16 03 01 02 00 01", "47 45 54 20 2f", "53 53 48 2d", "00", "ff", "16", "11"};
    for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, first[i]);
        rig_expect_closed(c);
    }
}

static void no_connect_is_larger_than_its_strings(void **state)
{
    struct peer *c = rig_open(*state);
    rig_send_hex(c, "10 ff ff 1f"); /* 512 KiB, though max_packet_size is a MiB */
    rig_expect_closed(c);
}

static void sessions_may_be_forbidden(struct limits *l)
{
    l->max_session_expiry = 0;
}

static void kept_sessions_end_with_their_connection_then(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_keep(r, "a");
    rig_subscribe(c, 1, "t:1");
    rig_drop(c);
    assert_false(rig_has_session(r, "a"));
    rig_keep(r, "a");
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(first_packet_must_be_connect__MQTT_3_1_0_1__MQTT5_3_1_0_1__MQTT5_3_14_0_1),
        RIG_TEST(first_byte_alone_is_refused),
        RIG_TEST(second_connect_closes__MQTT_3_1_0_2__MQTT5_3_1_0_2),
        RIG_TEST(unknown_protocol_name_closes__MQTT_3_1_2_1__MQTT5_3_1_2_1),
        RIG_TEST(unknown_level_is_answered_1__MQTT_3_1_2_2__MQTT_3_2_2_5__MQTT5_3_1_2_2),
        RIG_TEST(version_5_is_refused_in_its_own_words),
        RIG_TEST(listener_may_refuse_a_version__MQTT5_3_1_2_2__MQTT5_4_13_2_1),
        RIG_TEST_IN(reserved_connect_flag_closes__MQTT_3_1_2_3__MQTT5_3_1_2_3, RIG_311 | RIG_5),
        RIG_TEST_IN(will_flags_without_will_close__MQTT_3_1_2_11__MQTT_3_1_2_13__MQTT_3_1_2_15, RIG_311 | RIG_5),
        RIG_TEST_IN(will_qos_3_closes__MQTT_3_1_2_14, RIG_3),
        RIG_TEST_IN(will_flag_needs_topic_and_message__MQTT_3_1_2_9, RIG_3),
        RIG_TEST_IN(user_name_and_its_flag_agree__MQTT_3_1_2_18__MQTT_3_1_2_19, RIG_311 | RIG_5),
        RIG_TEST_IN(password_and_its_flag_agree__MQTT_3_1_2_20__MQTT_3_1_2_21, RIG_311 | RIG_5),
        RIG_TEST_IN(password_without_user_closes__MQTT_3_1_2_22, RIG_3),
        RIG_TEST_IN(payload_fields_have_their_order__MQTT_3_1_3_1__MQTT_3_1_2_9, RIG_3),
        RIG_TEST(client_id_must_be_there__MQTT_3_1_3_3__MQTT5_3_1_3_3),
        RIG_TEST_IN(strings_of_connect_are_utf8__MQTT_3_1_3_4__MQTT_3_1_3_10__MQTT_3_1_3_11, RIG_3),
        RIG_TEST_IN(password_and_will_message_are_any_bytes, RIG_3),
        RIG_TEST_IN(plain_client_ids_are_accepted__MQTT_3_1_3_5__MQTT5_3_1_3_5, RIG_WHOLE),
        RIG_TEST_IN(long_and_odd_client_ids_are_accepted, RIG_WHOLE),
        RIG_TEST_IN(empty_client_id_gets_one_of_its_own__MQTT_3_1_3_6, RIG_311 | RIG_5),
        RIG_TEST_IN(empty_client_id_that_wants_to_come_back_is_answered_2__MQTT_3_1_3_8__MQTT_3_1_3_9, RIG_3),
        RIG_TEST_IN(malformed_connect_is_not_answered__MQTT_3_1_4_1__MQTT_3_2_2_6, RIG_3),
        RIG_TEST_IN(accepted_connect_is_answered_0__MQTT_3_1_4_4__MQTT_3_2_0_1__MQTT_3_2_2_1, RIG_3),
        RIG_TEST_IN(what_follows_connect_is_done_in_order, RIG_ONE_SHARD),
        RIG_TEST(nothing_behind_a_refused_connect_is_done__MQTT_3_1_4_5__MQTT_3_2_2_4__MQTT_3_2_2_5),
        RIG_TEST(who_may_not_come_is_told_why__MQTT_3_2_2_4__MQTT_3_2_2_5__MQTT5_3_1_4_2__MQTT5_3_2_2_7),
        RIG_TEST(refusal_says_no_session__MQTT_3_2_2_4__MQTT5_3_2_2_6),
        RIG_TEST(session_of_another_user_is_refused__MQTT5_3_1_3_8),
        RIG_TEST(nothing_is_read_while_the_authoriser_thinks),
        RIG_TEST(answer_for_a_connection_that_is_gone),
        RIG_TEST(answer_for_a_connection_that_is_closing),
        RIG_TEST_IN(connection_that_breaks_on_its_way, RIG_MANY),
        RIG_TEST(connect_timeout_is_exact),
        RIG_TEST(waiting_in_our_queues_does_not_count),
        RIG_TEST_IN(few_large_connects_at_once, RIG_WHOLE),
        RIG_TEST(strangers_are_refused_by_their_first_bytes),
        RIG_TEST(no_connect_is_larger_than_its_strings),
        RIG_TEST_LIMITS(kept_sessions_end_with_their_connection_then, 0, sessions_may_be_forbidden),
        RIG_TEST_LIMITS(keep_alive_over_the_limit_is_refused, RIG_3, few_levels),
        RIG_TEST_LIMITS(connect_over_max_packet_size_closes_at_once, 0, few_levels),
    };
    return RIG_MAIN(tests);
}
