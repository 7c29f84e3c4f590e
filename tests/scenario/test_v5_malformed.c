/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of 5.0 that break the rules. Malformed is what can't be read or may not stand there; a protocol error is what
 * can be read and makes no sense. The client is told, the connection is closed, and the broker goes on.
 */
#include "v5.h"

#define BAD REASON_MALFORMED_PACKET
#define WRONG REASON_PROTOCOL_ERROR
#define ANY REASON_SUCCESS /* an error; the standard names none */

struct bad {
    unsigned first;
    const char *body;
    enum reason reason;
};

static void refuses_each(struct rig *r, const struct bad *bad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct packet p;
        struct peer *c = rig_clean(r, "bad");
        send_body(c, bad[i].first, bad[i].body);
        if (!rig_next(c, &p) || p.type != PACKET_DISCONNECT ||
            (bad[i].reason != ANY ? p.end.reason != bad[i].reason : p.end.reason < REASON_UNSPECIFIED))
            fail_msg("%02x %s: expected DISCONNECT %02x, got %s %02x", bad[i].first, bad[i].body, bad[i].reason,
                     p.type == PACKET_DISCONNECT ? "DISCONNECT" : "something else", p.end.reason);
        rig_expect_closed(c);
    }
    struct peer *c = rig_clean(r, "good");
    rig_send_hex(c, "c0 00");
    rig_expect(c, "d0 00");
}
#define REFUSES(...)                                                                                                   \
    refuses_each(*state, (const struct bad[]){__VA_ARGS__},                                                            \
                 sizeof((const struct bad[]){__VA_ARGS__}) / sizeof(struct bad))

/* [MQTT5-2.1.3-1] [MQTT5-3.6.1-1] [MQTT5-3.8.1-1] [MQTT5-3.10.1-1] [MQTT5-3.14.1-1] [MQTT5-3.15.1-1]
 * [MQTT5-4.13.1-1] */
static void reserved_flags(void **state)
{
    static const char *const bodies[16] = {[4] = "00 01",
                                           [5] = "00 01",
                                           [6] = "00 01",
                                           [7] = "00 01",
                                           [8] = "00 01 00 00 01 74 00",
                                           [10] = "00 01 00 00 01 74",
                                           [12] = "",
                                           [14] = "",
                                           [15] = "18 00"};
    for (unsigned type = 1; type < 16; type++)
        for (unsigned flags = 0; flags < 16 && bodies[type] != NULL; flags++) {
            if (flags != packet_flags((enum packet_type)type))
                REFUSES({type << 4 | flags, bodies[type], BAD});
        }
}

static void flags_of_publish__MQTT5_3_3_1_4__MQTT5_3_3_1_2(void **state)
{
    REFUSES({0x36, "00 01 74 00 01 00", BAD}, {0x37, "00 01 74 00 01 00", BAD}, {0x3e, "00 01 74 00 01 00", BAD},
            {0x38, "00 01 74 00", ANY}, {0x39, "00 01 74 00", ANY});
}

/* [MQTT5-1.5.4-1] [MQTT5-1.5.4-2] [MQTT5-3.3.2-1] [MQTT5-4.7.3-2] */
static void strings_of_publish(void **state)
{
    REFUSES({0x30, "00 01 ff 00", BAD}, {0x30, "00 01 80 00", BAD}, {0x30, "00 02 c3 28 00", BAD},
            {0x30, "00 03 e2 28 a1 00", BAD}, {0x30, "00 03 e0 80 af 00", BAD}, {0x30, "00 04 f0 80 80 af 00", BAD},
            {0x30, "00 03 ed a0 80 00", BAD}, {0x30, "00 03 ed bf bf 00", BAD}, {0x30, "00 04 f4 90 80 80 00", BAD},
            {0x30, "00 02 c0 80 00", BAD}, {0x30, "00 01 00 00", BAD}, {0x30, "00 03 61 00 62 00", BAD});
}

static void wildcards_in_topic_names__MQTT5_3_3_2_2__MQTT5_4_7_0_1(void **state)
{
    REFUSES({0x30, "00 01 23 00", ANY}, {0x30, "00 01 2b 00", ANY}, {0x30, "00 03 61 2f 23 00", ANY},
            {0x30, "00 03 61 2b 62 00", ANY});
}

static void publish_cut_short(void **state)
{
    REFUSES({0x30, "", BAD}, {0x30, "00", BAD}, {0x30, "00 02 61", BAD}, {0x30, "00 01 74", BAD},
            {0x32, "00 01 74", BAD}, {0x32, "00 01 74 00", BAD}, {0x32, "00 01 74 00 01", BAD},
            {0x30, "00 01 74 01", BAD}, {0x30, "00 01 74 05 01 01", BAD}, {0x30, "00 01 74 01 01", BAD},
            {0x30, "00 01 74 03 02 00 00", BAD}, {0x30, "00 01 74 04 03 00 02 61", BAD},
            {0x30, "00 01 74 06 26 00 01 61 00 01", BAD}, {0x30, "00 01 74 04 09 00 05 61", BAD});
}

static void empty_topics__MQTT5_4_7_3_1(void **state)
{
    REFUSES({0x30, "00 00 00", WRONG}, {0x32, "00 00 00 01 00 78", WRONG});
}

static void packet_id_zero(void **state)
{
    REFUSES({0x32, "00 01 74 00 00 00", ANY}, {0x34, "00 01 74 00 00 00", ANY}, {0x82, "00 00 00 00 01 74 00", ANY},
            {0xa2, "00 00 00 00 01 74", ANY}, {0x40, "00 00", ANY}, {0x50, "00 00", ANY}, {0x62, "00 00", ANY},
            {0x70, "00 00", ANY});
}

static void lengths_longer_than_needed__MQTT5_1_5_5_1(void **state)
{
    static const char *const bad[] = {"30 84 00 00 01 74 00", "c0 80 00", "c0 80 80 80 00", "30 ff ff ff ff 7f",
                                      "c0 80 80 80 80 00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct peer *c = rig_clean(*state, "a");
        rig_send_hex(c, bad[i]);
        rig_expect_ended(c, REASON_MALFORMED_PACKET);
    }
    REFUSES({0x30, "00 01 74 80 00", BAD}, {0x30, "00 01 74 82 00 01 00", BAD},
            {0x82, "00 01 03 0b 81 00 00 01 74 00", BAD}, {0x82, "00 01 06 0b 80 80 80 80 01 00 01 74 00", BAD},
            {0x82, "00 01 80 00 00 01 74 00", BAD}, {0x40, "00 01 00 80 00", BAD});
}

static void properties_that_are_none(void **state)
{
    static const unsigned ids[] = {0x00, 0x04, 0x07, 0x0a, 0x14, 0x1b, 0x1d, 0x20, 0x2b, 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        char body[64];
        snprintf(body, sizeof(body), "00 01 74 05 %02x 00 00 00 00", ids[i]);
        REFUSES({0x30, body, BAD});
    }
}

static void properties_of_other_packets(void **state)
{
    REFUSES({0x30, "00 01 74 05 11 00 00 00 01", BAD}, /* session expiry */
            {0x30, "00 01 74 05 18 00 00 00 01", BAD}, /* will delay */
            {0x30, "00 01 74 03 21 00 01", BAD},       /* receive maximum */
            {0x30, "00 01 74 04 1f 00 01 61", BAD},    /* reason string */
            {0x82, "00 01 04 03 00 01 61 00 01 74 00", BAD}, {0x82, "00 01 02 01 00 00 01 74 00", BAD},
            {0xa2, "00 01 02 0b 01 00 01 74", BAD}, {0xa2, "00 01 04 1f 00 01 61 00 01 74", BAD},
            {0x40, "00 01 00 02 01 00", BAD}, {0x50, "00 01 00 02 0b 01", BAD}, {0x62, "00 01 00 03 23 00 01", BAD},
            {0x70, "00 01 00 05 11 00 00 00 01", BAD}, {0xe0, "00 02 01 00", BAD}, {0xe0, "00 04 12 00 01 61", BAD});
}

static void properties_that_stand_there_twice(void **state)
{
    REFUSES({0x30, "00 01 74 04 01 00 01 00", WRONG}, {0x30, "00 01 74 0a 02 00 00 00 01 02 00 00 00 01", WRONG},
            {0x30, "00 01 74 08 03 00 01 61 03 00 01 61", WRONG}, {0x30, "00 01 74 08 08 00 01 61 08 00 01 61", WRONG},
            {0x30, "00 01 74 08 09 00 01 61 09 00 01 61", WRONG}, {0x30, "00 01 74 06 23 00 01 23 00 01", WRONG},
            {0x82, "00 01 04 0b 01 0b 02 00 01 74 00", WRONG}, {0x40, "00 01 00 08 1f 00 01 61 1f 00 01 61", WRONG},
            {0x62, "00 01 00 08 1f 00 01 61 1f 00 01 61", WRONG}, {0xe0, "00 0a 11 00 00 00 00 11 00 00 00 00", WRONG},
            {0xe0, "00 08 1f 00 01 61 1f 00 01 61", WRONG});
}

/* [MQTT5-1.5.7-1] [MQTT5-3.3.2-13] [MQTT5-3.3.2-14] [MQTT5-3.3.2-19] */
static void values_of_properties(void **state)
{
    REFUSES({0x30, "00 01 74 02 01 02", WRONG}, {0x30, "00 01 74 02 01 ff", WRONG},
            {0x30, "00 01 74 04 03 00 01 ff", BAD}, {0x30, "00 01 74 04 03 00 01 00", BAD},
            {0x30, "00 01 74 04 08 00 01 ff", BAD}, {0x30, "00 01 74 04 08 00 01 23", WRONG},
            {0x30, "00 01 74 04 08 00 01 2b", WRONG}, {0x30, "00 01 74 06 26 00 01 ff 00 00", BAD},
            {0x30, "00 01 74 06 26 00 00 00 01 ff", BAD}, {0x30, "00 01 74 06 26 00 01 00 00 00", BAD},
            {0x30, "00 01 74 08 26 00 03 ed a0 80 00 00", BAD}, {0x40, "00 01 00 04 1f 00 01 ff", BAD},
            {0x40, "00 01 00 06 26 00 01 ff 00 00", BAD}, {0xe0, "00 04 1f 00 01 ff", BAD});
}

static void identifier_in_a_publish_of_a_client__MQTT5_3_3_4_6(void **state)
{
    REFUSES({0x30, "00 01 74 02 0b 01", WRONG}, {0x32, "00 01 74 00 01 02 0b 01", WRONG},
            {0x30, "00 01 74 02 0b 00", WRONG});
}

static void subscribe_options__MQTT5_3_8_3_5(void **state)
{
    REFUSES({0x82, "00 01 00 00 01 74 40", BAD}, {0x82, "00 01 00 00 01 74 80", BAD},
            {0x82, "00 01 00 00 01 74 c1", BAD}, {0x82, "00 01 00 00 01 74 03", ANY},
            {0x82, "00 01 00 00 01 74 30", WRONG}, {0x82, "00 01 00 00 01 74", BAD},
            {0x82, "00 01 02 0b 00 00 01 74 00", WRONG});
}

static void subscribe_without_filter__MQTT5_3_8_3_2__MQTT5_3_10_3_2(void **state)
{
    REFUSES({0x82, "00 01 00", WRONG}, {0xa2, "00 01 00", WRONG}, {0x82, "", BAD}, {0x82, "00 01", BAD},
            {0xa2, "00", BAD});
}

static void filters_are_utf8__MQTT5_3_8_3_1__MQTT5_3_10_3_1__MQTT5_4_7_3_2(void **state)
{
    REFUSES({0x82, "00 01 00 00 01 ff 00", BAD}, {0x82, "00 01 00 00 01 00 00", BAD},
            {0x82, "00 01 00 00 03 ed a0 80 00", BAD}, {0x82, "00 01 00 00 04 61 62 63 00", BAD},
            {0xa2, "00 01 00 00 01 ff", BAD}, {0xa2, "00 01 00 00 01 00", BAD}, {0xa2, "00 01 00 00 02 61", BAD});
}

static void one_bad_filter_spoils_the_packet(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_keep(r, "a");
    send_body(c, 0x82, "00 01 00 00 01 74 01 00 01 75 40");
    rig_expect_ended(c, REASON_MALFORMED_PACKET);
    assert_int_equal(rig_stats(r).subscriptions, 0);
}

static void reason_codes_that_are_none(void **state)
{
    static const struct {
        unsigned first;
        const char *codes;
    } cases[] = {
        {0x40, "01 10 8e 92 ff"}, {0x50, "01 04 8e 92 ff"}, {0x62, "01 10 80 97 ff"}, {0x70, "01 10 80 97 ff"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (const char *at = cases[i].codes; *at != '\0'; at += 2 + (at[2] == ' ')) {
            char body[32];
            snprintf(body, sizeof(body), "00 01 %.2s", at);
            if (strncmp(at, "10", 2) != 0 || cases[i].first > 0x50) /* 10 may stand in PUBACK and PUBREC */
                REFUSES({cases[i].first, body, ANY});
        }
    REFUSES({0xe0, "01", ANY}, {0xe0, "10", ANY}, {0xe0, "11", ANY}, {0xe0, "ff", ANY});
}

static void bytes_behind_the_end(void **state)
{
    REFUSES({0x40, "00 01 00 00 00", BAD}, {0x62, "00 01 00 00 00", BAD}, {0xe0, "00 00 00", BAD}, {0xc0, "00", BAD},
            {0x40, "00", BAD}, {0x40, "", BAD}, {0x50, "00 01 00 05", BAD});
}

static void packets_that_only_servers_send(void **state)
{
    REFUSES({0x20, "00 00 00", WRONG}, {0x90, "00 01 00 00", WRONG}, {0xb0, "00 01 00 00", WRONG}, {0xd0, "", WRONG},
            {0x00, "", BAD});
}

static void auth_without_a_method__MQTT5_4_12_0_7(void **state)
{
    REFUSES({0xf0, "", WRONG}, {0xf0, "18 00", WRONG}, {0xf0, "19 04 15 00 01 61", WRONG}, {0xf0, "01 00", ANY});
}

/* ---------------------------------------------------------------- CONNECT */

static void send_connect(struct peer *c, unsigned flags, const char *props, const char *payload)
{
    size_t digits = 0;
    char body[512];
    for (const char *p = props; *p != '\0'; p++)
        digits += *p != ' ';
    snprintf(body, sizeof(body), "00 04 4d 51 54 54 05 %02x 00 3c %02x %s %s", flags, (unsigned)(digits / 2), props,
             payload);
    send_body(c, 0x10, body);
}

struct bad_connect {
    unsigned flags;
    const char *props, *payload;
    enum reason reason;
};

static void refuses_connects(struct rig *r, const struct bad_connect *bad, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct packet p;
        struct peer *c = rig_open(r);
        c->proto = PROTO_5;
        send_connect(c, bad[i].flags, bad[i].props, bad[i].payload);
        if (!rig_next(c, &p) || p.type != PACKET_CONNACK || p.connack.session_present ||
            (bad[i].reason != ANY ? p.connack.reason != bad[i].reason : p.connack.reason < REASON_UNSPECIFIED))
            fail_msg("CONNECT %02x [%s] %s: expected CONNACK %02x, got %02x", bad[i].flags, bad[i].props,
                     bad[i].payload, bad[i].reason, p.connack.reason);
        rig_expect_closed(c);
        assert_false(rig_has_session(r, "a"));
    }
}
#define REFUSES_CONNECT(...)                                                                                           \
    refuses_connects(*state, (const struct bad_connect[]){__VA_ARGS__},                                                \
                     sizeof((const struct bad_connect[]){__VA_ARGS__}) / sizeof(struct bad_connect))

static void properties_of_connect__MQTT5_3_1_4_1(void **state)
{
    REFUSES_CONNECT(
        {2, "21 00 00", "00 01 61", WRONG}, {2, "27 00 00 00 00", "00 01 61", WRONG}, {2, "17 02", "00 01 61", WRONG},
        {2, "19 02", "00 01 61", WRONG}, {2, "11 00 00 00 01 11 00 00 00 01", "00 01 61", WRONG},
        {2, "21 00 05 21 00 05", "00 01 61", WRONG}, {2, "22 00 05 22 00 05", "00 01 61", WRONG},
        {2, "17 01 17 01", "00 01 61", WRONG}, {2, "19 01 19 01", "00 01 61", WRONG},
        {2, "27 00 00 10 00 27 00 00 10 00", "00 01 61", WRONG}, {2, "16 00 01 61", "00 01 61", WRONG},
        {2, "15 00 01 61 15 00 01 61", "00 01 61", WRONG}, {2, "7f", "00 01 61", BAD}, {2, "23 00 01", "00 01 61", BAD},
        {2, "01 00", "00 01 61", BAD}, {2, "18 00 00 00 01", "00 01 61", BAD}, {2, "12 00 01 61", "00 01 61", BAD},
        {2, "26 00 01 ff 00 00", "00 01 61", BAD}, {2, "26 00 01 61", "00 01 61", BAD},
        {2, "11 00 00", "00 01 61", BAD});
}

/* [MQTT5-3.1.2-9] [MQTT5-3.1.2-12] [MQTT5-3.1.3-11] */
static void wills_of_connect(void **state)
{
    REFUSES_CONNECT({0x1e, "", "00 01 61 00 00 01 74 00 01 78", BAD}, /* QoS 3 */
                    {0x06, "", "00 01 61", BAD}, {0x06, "", "00 01 61 00", BAD},
                    {0x06, "", "00 01 61 00 00 01 74", BAD},
                    {0x06, "", "00 01 61 00 00 01 74 00 02 78", BAD}, /* cut short */
                    {0x06, "", "00 01 61 00 00 01 ff 00 01 78", BAD}, {0x06, "", "00 01 61 00 00 01 00 00 01 78", BAD},
                    {0x06, "", "00 01 61 00 00 01 23 00 01 78", ANY}, {0x06, "", "00 01 61 00 00 00 00 01 78", ANY},
                    {0x06, "", "00 01 61 02 01 02 00 01 74 00 01 78", WRONG},
                    {0x06, "", "00 01 61 0a 18 00 00 00 01 18 00 00 00 01 00 01 74 00 01 78", WRONG},
                    {0x06, "", "00 01 61 04 08 00 01 23 00 01 74 00 01 78", WRONG},
                    {0x06, "", "00 01 61 04 03 00 01 ff 00 01 74 00 01 78", BAD},
                    {0x06, "", "00 01 61 03 23 00 01 00 01 74 00 01 78", BAD},
                    {0x06, "", "00 01 61 05 11 00 00 00 01 00 01 74 00 01 78", BAD},
                    {0x06, "", "00 01 61 06 26 00 01 ff 00 00 00 01 74 00 01 78", BAD},
                    {0x02, "", "00 01 61 00 00 01 74 00 01 78", BAD}); /* one that no flag announces */
}

/* [MQTT5-3.1.3-3] [MQTT5-3.1.3-4] [MQTT5-3.1.3-12] [MQTT5-3.1.4-1] */
static void fields_of_connect(void **state)
{
    REFUSES_CONNECT({2, "", "", BAD}, {2, "", "00", BAD}, {2, "", "00 05 61 62", BAD}, {2, "", "00 01 61 00", BAD},
                    {2, "", "00 02 61 ff", ANY}, {2, "", "00 02 c0 80", ANY}, {2, "", "00 01 00", ANY},
                    {0x82, "", "00 01 61", BAD}, {0x82, "", "00 01 61 00 02 75 ff", ANY},
                    {0x82, "", "00 01 61 00 03 ed a0 80", ANY}, {0xc2, "", "00 01 61 00 01 75", BAD},
                    {0xc2, "", "00 01 61 00 01 75 00 05 70", BAD}, {0x42, "", "00 01 61", BAD});
}

/* Cut off before the version is known: nobody is told anything. */
static void connect_without_a_version(void **state)
{
    static const char *const bad[] = {"10 00", "10 02 00 04", "10 06 00 04 4d 51 54 54"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct peer *c = rig_open(*state);
        rig_send_hex(c, bad[i]);
        rig_expect_closed(c);
    }
    static const char *const cut[] = {"10 07 00 04 4d 51 54 54 05", "10 0a 00 04 4d 51 54 54 05 02 00 3c",
                                      "10 0c 00 04 4d 51 54 54 05 02 00 3c 05 21"};
    for (size_t i = 0; i < sizeof(cut) / sizeof(*cut); i++) {
        struct peer *c = rig_open(*state);
        c->proto = PROTO_5;
        rig_send_hex(c, cut[i]);
        rig_expect_refused(c, REASON_MALFORMED_PACKET);
    }
}

/* -------------------------------------------------------- user properties */

static void three_user_properties(struct limits *l)
{
    l->max_user_properties = 3;
}

static void too_many_user_properties(void **state)
{
    struct rig *r = *state;
    static const char three[] = "15 26 00 01 61 00 01 62 26 00 01 61 00 01 62 26 00 01 61 00 01 62";
    static const char four[] = "1c 26 00 01 61 00 01 62 26 00 01 61 00 01 62 26 00 01 61 00 01 62 26 00 01 61 00 01 62";
    static const struct {
        unsigned first;
        const char *head, *tail;
    } packets[] = {{0x30, "00 01 74", ""},
                   {0x32, "00 01 74 00 01", ""},
                   {0x82, "00 01", "00 01 74 00"},
                   {0xa2, "00 01", "00 01 74"}};
    for (size_t i = 0; i < sizeof(packets) / sizeof(*packets); i++) {
        char body[256];
        struct peer *c = rig_clean(r, "a");
        snprintf(body, sizeof(body), "%s %s %s", packets[i].head, three, packets[i].tail);
        send_body(c, packets[i].first, body);
        rig_run(r);
        assert_false(c->closed);
        c->got_at = c->got_n; /* whatever answer there is */
        snprintf(body, sizeof(body), "%s %s %s", packets[i].head, four, packets[i].tail);
        send_body(c, packets[i].first, body);
        rig_run(r);
        if (!c->closed)
            fail_msg("%02x with four user properties is not refused", packets[i].first);
        rig_expect_ended(c, REASON_QUOTA_EXCEEDED);
    }
}

static void too_many_user_properties_in_connect(void **state)
{
    struct rig *r = *state;
    struct props three = {.raw = rig_user_props("a=1 a=1 a=1")}, four = {.raw = rig_user_props("a=1 a=1 a=1 a=1")};
    rig_connect(r, .id = "a", .clean = true, .props = &three, .will_topic = "t", .will = "x", .will_props = &three);
    rig_expect_refused(rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .props = &four}),
                       REASON_QUOTA_EXCEEDED);
    rig_expect_refused(
        rig_start(r,
                  &(struct rig_connect){.id = "a", .clean = true, .will_topic = "t", .will = "x", .will_props = &four}),
        REASON_QUOTA_EXCEEDED);
}

static void default_is_sixty_four(void **state)
{
    struct rig *r = *state;
    char pairs[65 * 4] = "";
    for (unsigned i = 0; i < 64; i++)
        strcat(pairs, i > 0 ? " a=b" : "a=b");
    struct peer *c = rig_clean(r, "a");
    struct props props = {.raw = rig_user_props(pairs)};
    rig_send_publish_props(c, "t", "x", 1, false, 1, &props);
    rig_expect_ack(c, PACKET_PUBACK, 1);
    strcat(pairs, " a=b");
    props.raw = rig_user_props(pairs);
    rig_send_publish_props(c, "t", "x", 1, false, 2, &props);
    rig_expect_ended(c, REASON_QUOTA_EXCEEDED);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(reserved_flags, RIG_5 | RIG_WHOLE),
        RIG_TEST_IN(flags_of_publish__MQTT5_3_3_1_4__MQTT5_3_3_1_2, RIG_5),
        RIG_TEST_IN(strings_of_publish, RIG_5),
        RIG_TEST_IN(wildcards_in_topic_names__MQTT5_3_3_2_2__MQTT5_4_7_0_1, RIG_5),
        RIG_TEST_IN(publish_cut_short, RIG_5),
        RIG_TEST_IN(empty_topics__MQTT5_4_7_3_1, RIG_5),
        RIG_TEST_IN(packet_id_zero, RIG_5),
        RIG_TEST_IN(lengths_longer_than_needed__MQTT5_1_5_5_1, RIG_5),
        RIG_TEST_IN(properties_that_are_none, RIG_5),
        RIG_TEST_IN(properties_of_other_packets, RIG_5),
        RIG_TEST_IN(properties_that_stand_there_twice, RIG_5),
        RIG_TEST_IN(values_of_properties, RIG_5),
        RIG_TEST_IN(identifier_in_a_publish_of_a_client__MQTT5_3_3_4_6, RIG_5),
        RIG_TEST_IN(subscribe_options__MQTT5_3_8_3_5, RIG_5),
        RIG_TEST_IN(subscribe_without_filter__MQTT5_3_8_3_2__MQTT5_3_10_3_2, RIG_5),
        RIG_TEST_IN(filters_are_utf8__MQTT5_3_8_3_1__MQTT5_3_10_3_1__MQTT5_4_7_3_2, RIG_5),
        RIG_TEST_IN(one_bad_filter_spoils_the_packet, RIG_5),
        RIG_TEST_IN(reason_codes_that_are_none, RIG_5),
        RIG_TEST_IN(bytes_behind_the_end, RIG_5),
        RIG_TEST_IN(packets_that_only_servers_send, RIG_5),
        RIG_TEST_IN(auth_without_a_method__MQTT5_4_12_0_7, RIG_5),
        RIG_TEST_IN(properties_of_connect__MQTT5_3_1_4_1, RIG_5),
        RIG_TEST_IN(wills_of_connect, RIG_5),
        RIG_TEST_IN(fields_of_connect, RIG_5),
        RIG_TEST_IN(connect_without_a_version, RIG_5),
        RIG_TEST_LIMITS(too_many_user_properties, RIG_5, three_user_properties),
        RIG_TEST_LIMITS(too_many_user_properties_in_connect, RIG_5, three_user_properties),
        RIG_TEST_IN(default_is_sixty_four, RIG_5),
    };
    return RIG_MAIN(tests);
}
