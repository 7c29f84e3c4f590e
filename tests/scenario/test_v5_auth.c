/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Enhanced authentication: the exchange of AUTH packets, with the rig's method "toy" (see rig.h). */
#include "v5.h"

#include "sotto/base/mem.h"

static struct peer *begins(struct rig *r, const char *id, const char *method, const char *name)
{
    struct props props = {.has =
                              RIG_HAS(AUTH_METHOD) | RIG_HAS(SESSION_EXPIRY) | (name != NULL ? RIG_HAS(AUTH_DATA) : 0),
                          .session_expiry = 1000,
                          .auth_method = bytes_str(method),
                          .auth_data = bytes_str(name)};
    return rig_start(r, &(struct rig_connect){.id = id, .props = &props});
}

/* AUTH with that reason, the method "toy" and these data. */
static void expect_auth_at(struct peer *c, enum reason reason, const char *data, const char *file, int line)
{
    struct packet p;
    rig_expect_packet_at(c, PACKET_AUTH, &p, file, line);
    if (p.end.reason != reason || !props_has(&p.end.props, PROP_AUTH_METHOD) ||
        !bytes_equal(p.end.props.auth_method, bytes_str("toy")) ||
        (data[0] != '\0' && !bytes_equal(p.end.props.auth_data, bytes_str(data)))) {
        print_error("AUTH %02x, not as expected\n", p.end.reason);
        _fail(file, line);
    }
}
#define expect_auth(c, reason, data) expect_auth_at((c), (reason), (data), __FILE__, __LINE__)

static struct peer *logged_in(struct rig *r, const char *id, const char *name, bool present)
{
    struct peer *c = begins(r, id, "toy", name);
    struct packet p;
    rig_expect_packet(c, PACKET_AUTH, &p);
    rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
    rig_expect_connack(c, present, 0);
    return c;
}

static void other_methods_are_refused__MQTT5_4_12_0_1(void **state)
{
    static const char *const methods[] = {"", "TOY", "toy2", "PLAIN"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
        rig_expect_refused(begins(*state, "a", methods[i], "ann"), REASON_BAD_AUTHENTICATION_METHOD);
    assert_false(rig_has_session(*state, "a"));
}

/* [MQTT5-4.12.0-2] [MQTT5-4.12.0-5] [MQTT5-3.15.2-1] [MQTT5-3.2.0-1] */
static void exchange_of_the_standard(void **state)
{
    struct rig *r = *state;
    struct peer *c = begins(r, "a", "toy", "ann");
    expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "who is ann?");
    rig_expect_nothing(c);
    assert_false(rig_has_session(r, "a"));
    for (unsigned i = 0; i < 3; i++) {
        rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "more");
        expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "who is ann?");
    }
    rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
    struct packet p;
    rig_expect_packet(c, PACKET_CONNACK, &p);
    assert_int_equal(p.connack.reason, REASON_SUCCESS);
    assert_text(p.connack.props.auth_method, "toy");
    assert_true(props_has(&p.connack.props, PROP_AUTH_DATA));
    assert_text(p.connack.props.auth_data, "welcome");
    rig_subscribe(c, 1, "t:0");
    assert_int_equal(r->exchanges, 0);
}

static void exchange_that_fails__MQTT5_4_12_0_4(void **state)
{
    struct rig *r = *state;
    struct peer *c = begins(r, "a", "toy", "ann");
    expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "");
    rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "no");
    rig_expect_refused(c, REASON_NOT_AUTHORIZED);
    assert_false(rig_has_session(r, "a"));
    assert_int_equal(r->exchanges, 0);
}

/* Whoever is in the middle of it may send AUTH and DISCONNECT, nothing else; what it sends is not done. */
static void nothing_else_before_connack__MQTT5_3_1_2_30(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    for (unsigned i = 0; i < 3; i++) {
        struct peer *c = begins(r, "a", "toy", "ann");
        expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "");
        if (i == 0)
            rig_send_publish(c, "t", "x", 0, true, 0);
        else if (i == 1)
            rig_send_hex(c, "c0 00");
        else
            send_raw_connect(c, 2, "00 01 61");
        ends_somehow(c);
        rig_expect_nothing(w);
    }
    struct peer *c = begins(r, "a", "toy", "ann");
    expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "");
    rig_send_disconnect(c, REASON_SUCCESS, NULL);
    rig_expect_closed(c);
    c = begins(r, "a", "toy", "ann");
    expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "");
    rig_drop(c);
    assert_int_equal(r->exchanges, 0);
    assert_false(rig_has_session(r, "a"));
}

static void wrong_turns_of_the_exchange(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum reason reason;
        const char *method;
    } wrong[] = {{REASON_REAUTHENTICATE, "toy"},
                 {REASON_SUCCESS, "toy"},
                 {REASON_CONTINUE_AUTHENTICATION, "tax"},
                 {REASON_CONTINUE_AUTHENTICATION, NULL}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct peer *c = begins(r, "a", "toy", "ann");
        expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "");
        rig_send_auth(c, wrong[i].reason, wrong[i].method, "yes");
        ends_somehow(c);
        assert_false(rig_has_session(r, "a"));
    }
    assert_int_equal(r->exchanges, 0);
}

/* The time to connect ends for who never answers. */
static void silent_client_runs_out_of_time(void **state)
{
    struct rig *r = *state;
    struct peer *c = begins(r, "a", "toy", "ann");
    expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "");
    rig_advance(r, 2 * r->limits.connect_timeout);
    ends_somehow(c);
    assert_int_equal(r->exchanges, 0);
}

static void session_is_the_users(void **state)
{
    struct rig *r = *state;
    struct peer *a = logged_in(r, "a", "ann", false), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    rig_drop(a);
    rig_publish(p, "t", "x", 1, false);
    struct peer *b = begins(r, "a", "toy", "bob");
    expect_auth(b, REASON_CONTINUE_AUTHENTICATION, "who is bob?");
    rig_send_auth(b, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
    rig_expect_refused(b, REASON_CLIENT_ID_NOT_VALID);
    a = logged_in(r, "a", "ann", true);
    rig_take(a, "t", "x", 1, false, false);
}

/* [MQTT5-4.12.0-5] [MQTT5-3.15.2-1] */
static void once_more_while_all_goes_on(void **state)
{
    struct rig *r = *state;
    struct peer *a = logged_in(r, "a", "ann", false), *p = rig_clean(r, "p");
    rig_subscribe(a, 1, "t:1");
    for (unsigned i = 0; i < 3; i++) {
        rig_send_auth(a, REASON_REAUTHENTICATE, "toy", "ann");
        expect_auth(a, REASON_CONTINUE_AUTHENTICATION, "who is ann?");
        rig_publish(p, "t", "x", 1, false);
        rig_take(a, "t", "x", 1, false, false);
        rig_publish(a, "u", "x", 2, false);
        rig_send_hex(a, "c0 00");
        rig_expect(a, "d0 00");
        rig_send_auth(a, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
        expect_auth(a, REASON_SUCCESS, "welcome");
        rig_publish(p, "t", "x", 1, false);
        rig_take(a, "t", "x", 1, false, false);
    }
    assert_int_equal(r->exchanges, 0);
}

static void once_more_and_failed__MQTT5_4_12_1_2(void **state)
{
    struct rig *r = *state;
    struct peer *w = rig_clean(r, "w");
    rig_subscribe(w, 1, "#:0");
    struct peer *a = logged_in(r, "a", "ann", false);
    rig_send_auth(a, REASON_REAUTHENTICATE, "toy", "ann");
    expect_auth(a, REASON_CONTINUE_AUTHENTICATION, "");
    rig_send_auth(a, REASON_CONTINUE_AUTHENTICATION, "toy", "no");
    rig_send_publish(a, "t", "behind", 0, false, 0);
    rig_expect_ended(a, REASON_NOT_AUTHORIZED);
    rig_expect_nothing(w);
    a = logged_in(r, "a", "ann", true);
    rig_send_auth(a, REASON_REAUTHENTICATE, "toy", "bob"); /* somebody else */
    expect_auth(a, REASON_CONTINUE_AUTHENTICATION, "");
    rig_send_auth(a, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
    rig_expect_ended(a, REASON_NOT_AUTHORIZED);
    assert_int_equal(r->exchanges, 0);
}

static void wrong_turns_later(void **state)
{
    struct rig *r = *state;
    static const struct {
        enum reason reason;
        const char *method;
    } wrong[] = {{REASON_CONTINUE_AUTHENTICATION, "toy"},
                 {REASON_SUCCESS, "toy"},
                 {REASON_REAUTHENTICATE, "tax"},
                 {REASON_REAUTHENTICATE, NULL}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct peer *a = logged_in(r, "a", "ann", i > 0);
        rig_send_auth(a, wrong[i].reason, wrong[i].method, "ann");
        rig_expect_ended(a, REASON_PROTOCOL_ERROR);
    }
    struct peer *a = logged_in(r, "a", "ann", true);
    rig_send_auth(a, REASON_REAUTHENTICATE, "toy", "ann");
    expect_auth(a, REASON_CONTINUE_AUTHENTICATION, "");
    rig_send_auth(a, REASON_REAUTHENTICATE, "toy", "ann"); /* in the middle of one */
    rig_expect_ended(a, REASON_PROTOCOL_ERROR);
    a = logged_in(r, "a", "ann", true);
    rig_send_auth(a, REASON_REAUTHENTICATE, "toy", "ann");
    expect_auth(a, REASON_CONTINUE_AUTHENTICATION, "");
    rig_drop(a);
    assert_int_equal(r->exchanges, 0);
}

static void without_a_method_none_is_named__MQTT5_4_12_0_6(void **state)
{
    struct rig *r = *state;
    struct peer *c = rig_clean(r, "a");
    assert_false(props_has(&c->connack, PROP_AUTH_METHOD));
    assert_false(props_has(&c->connack, PROP_AUTH_DATA));
    rig_send_auth(c, REASON_REAUTHENTICATE, "toy", "ann");
    rig_expect_ended(c, REASON_PROTOCOL_ERROR);
}

/* The rig looks at the sizes. [MQTT5-3.15.2-2] [MQTT5-3.15.2-3] */
static void auth_fits(void **state)
{
    struct rig *r = *state;
    for (uint32_t most = 30; most < 80; most += 5) {
        struct props props = {.has = RIG_HAS(AUTH_METHOD) | RIG_HAS(AUTH_DATA) | RIG_HAS(MAXIMUM_PACKET_SIZE),
                              .maximum_packet_size = most,
                              .auth_method = bytes_str("toy"),
                              .auth_data = bytes_str("ann")};
        struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .props = &props});
        expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "who is ann?");
        rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "no");
        rig_expect_refused(c, REASON_NOT_AUTHORIZED);
    }
}

/* What the client has to hear and doesn't take can't be left out. */
static void auth_that_does_not_fit(void **state)
{
    struct rig *r = *state;
    static const char name[] = "ann-of-the-very-long-name-that-is-asked-back-in-full-length-and-more";
    struct props props = {.has = RIG_HAS(AUTH_METHOD) | RIG_HAS(AUTH_DATA) | RIG_HAS(MAXIMUM_PACKET_SIZE),
                          .maximum_packet_size = 60,
                          .auth_method = bytes_str("toy"),
                          .auth_data = bytes_str(name)};
    struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .clean = true, .props = &props});
    rig_expect_refused(c, REASON_PACKET_TOO_LARGE);
    props.auth_data = bytes_str("friend");
    c = rig_connect(r, .id = "a", .clean = true, .props = &props);
    rig_send_auth(c, REASON_REAUTHENTICATE, "toy", name);
    rig_expect_ended(c, REASON_PACKET_TOO_LARGE);
    assert_int_equal(r->exchanges, 0);
}

/* [MQTT5-4.12.0-5] No AUTH is sent where none is needed. */
static void one_step_is_enough(void **state)
{
    struct rig *r = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct peer *c = begins(r, "a", "toy", "friend");
        struct packet p;
        rig_expect_packet(c, PACKET_CONNACK, &p);
        assert_int_equal(p.connack.reason, REASON_SUCCESS);
        assert_text(p.connack.props.auth_method, "toy");
        assert_text(p.connack.props.auth_data, "welcome");
        rig_send_auth(c, REASON_REAUTHENTICATE, "toy", "friend");
        expect_auth(c, REASON_SUCCESS, "welcome");
        assert_int_equal(r->exchanges, 0);
        rig_drop(c);
    }
}

/* The exchange is where the connection arrived; all else, and the next exchange, is where its session lives. */
static void exchange_ends_before_the_connection_moves(void **state)
{
    struct rig *r = *state;
    for (unsigned from = 0; from < r->n; from++) {
        struct props props = {.has = RIG_HAS(AUTH_METHOD) | RIG_HAS(AUTH_DATA) | RIG_HAS(SESSION_EXPIRY),
                              .session_expiry = 1000,
                              .auth_method = bytes_str("toy"),
                              .auth_data = bytes_str("ann")};
        struct peer *c = rig_start(r, &(struct rig_connect){.id = "a", .props = &props, .at = 1 + (int)from});
        expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "who is ann?");
        assert_int_equal(c->shard, from);
        rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
        rig_send_auth(c, REASON_REAUTHENTICATE, "toy", "ann"); /* behind it already */
        rig_expect_connack(c, from > 0, 0);
        expect_auth(c, REASON_CONTINUE_AUTHENTICATION, "who is ann?");
        assert_int_equal(c->shard, rig_shard_of(r, "a"));
        rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
        expect_auth(c, REASON_SUCCESS, "welcome");
        rig_drop(c);
    }
    assert_int_equal(r->exchanges, 0);
}

/* Whatever memory fails in the middle of it: the exchange ends once, and the client is in or out. */
static void memory_fails_during_the_exchange(void **state)
{
    struct rig *from = *state;
    unsigned in = 0, out = 0;
    for (unsigned n = 1; n < 40; n++) {
        struct rig *r = rig_new(from->n, NULL, from->commits);
        r->proto = PROTO_5;
        mem_fail_at(n);
        struct peer *c = begins(r, "a", "toy", "ann");
        rig_run(r);
        rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
        rig_send_auth(c, REASON_REAUTHENTICATE, "toy", "ann");
        rig_send_auth(c, REASON_CONTINUE_AUTHENTICATION, "toy", "yes");
        rig_run(r);
        mem_fail_at(0);
        assert_int_equal(r->exchanges, 0);
        in += c->client != NULL;
        out += c->client == NULL;
        rig_free(r);
    }
    assert_true(in > 0 && out > 1);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(other_methods_are_refused__MQTT5_4_12_0_1, RIG_5),
        RIG_TEST_IN(exchange_of_the_standard, RIG_5),
        RIG_TEST_IN(exchange_that_fails__MQTT5_4_12_0_4, RIG_5),
        RIG_TEST_IN(nothing_else_before_connack__MQTT5_3_1_2_30, RIG_5),
        RIG_TEST_IN(wrong_turns_of_the_exchange, RIG_5),
        RIG_TEST_IN(silent_client_runs_out_of_time, RIG_5),
        RIG_TEST_IN(session_is_the_users, RIG_5),
        RIG_TEST_IN(once_more_while_all_goes_on, RIG_5),
        RIG_TEST_IN(once_more_and_failed__MQTT5_4_12_1_2, RIG_5),
        RIG_TEST_IN(wrong_turns_later, RIG_5),
        RIG_TEST_IN(without_a_method_none_is_named__MQTT5_4_12_0_6, RIG_5),
        RIG_TEST_IN(auth_fits, RIG_5),
        RIG_TEST_IN(auth_that_does_not_fit, RIG_5),
        RIG_TEST_IN(one_step_is_enough, RIG_5),
        RIG_TEST_IN(exchange_ends_before_the_connection_moves, RIG_5),
        RIG_TEST_IN(memory_fails_during_the_exchange, RIG_5 | RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
