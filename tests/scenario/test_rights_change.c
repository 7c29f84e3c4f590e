/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The users change while clients are connected, absent, or on their way in. */
#include "scenario.h"

static const struct rule safe[] = {{RULE_DENY, {(const uint8_t *)"home/safe/#", 11}}};

#define UP(r, id_) rig_connect(r, .id = id_, .user = "u", .password = "p", .clean = true)

static void a_deny_counts_at_once_for_who_is_here(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    rig_user(r, "other", "p", NULL, 0, true);
    struct peer *c[4], *other = rig_connect(r, .id = "o", .user = "other", .password = "p", .clean = true);
    for (unsigned i = 0; i < 4; i++) {
        c[i] = UP(r, numbered(i));
        rig_subscribe(c[i], 1, "home/#:1");
    }
    rig_publish(other, "home/safe/door", "open", 1, false);
    for (unsigned i = 0; i < 4; i++)
        rig_take(c[i], "home/safe/door", "open", 1, false, false);
    rig_change_user(r, "u", safe, 1, true);
    rig_renew_rights(r);
    rig_publish(other, "home/safe/door", "shut", 1, false);
    rig_publish(other, "home/lamp", "on", 1, false);
    for (unsigned i = 0; i < 4; i++)
        rig_take(c[i], "home/lamp", "on", 1, false, false);
    /* And for what they send; the other one may as before. */
    struct peer *watcher = rig_connect(r, .id = "w", .user = "other", .password = "p", .clean = true);
    rig_subscribe(watcher, 2, "home/#:0");
    rig_send_publish(c[0], "home/safe/door", "mine", 0, false, 0);
    rig_send_publish(c[0], "home/lamp", "off", 0, false, 0);
    rig_expect_publish(watcher, "home/lamp", "off", 0, false, false);
    rig_expect_nothing(watcher);
    /* Back again. */
    rig_change_user(r, "u", NULL, 0, true);
    rig_renew_rights(r);
    rig_publish(other, "home/safe/door", "open", 1, false);
    for (unsigned i = 0; i < 4; i++)
        rig_expect_publish(c[i], "home/lamp", "off", 0, false, false);
    for (unsigned i = 0; i < 4; i++)
        rig_take(c[i], "home/safe/door", "open", 1, false, false);
}

static void who_is_no_more_has_to_go(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    rig_user(r, "other", "p", NULL, 0, true);
    struct peer *other = rig_connect(r, .id = "o", .user = "other", .password = "p", .clean = true);
    rig_subscribe(other, 1, "#:0");
    struct peer *c =
        rig_connect(r, .id = "c", .user = "u", .password = "p", .clean = true, .will_topic = "t", .will = "bye");
    rig_change_user(r, "u", NULL, 1, false);
    rig_renew_rights(r);
    ends_with_an_error(c);
    rig_expect_nothing(other); /* not even its will comes */
    rig_start(r, &(struct rig_connect){.id = "c", .user = "u", .password = "p"});
    assert_false(rig_has_session(r, "c"));
    rig_publish(other, "t", "x", 0, false);
    rig_take(other, "t", "x", 0, false, false);
}

static void sessions_without_a_connection_count_too(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    rig_user(r, "other", "p", NULL, 0, true);
    struct peer *other = rig_connect(r, .id = "o", .user = "other", .password = "p", .clean = true);
    struct peer *c = rig_connect(r, .id = "c", .user = "u", .password = "p");
    rig_subscribe(c, 1, "home/#:1");
    rig_drop(c);
    rig_run(r);
    rig_change_user(r, "u", safe, 1, true);
    rig_renew_rights(r);
    rig_publish(other, "home/safe/door", "open", 1, false);
    rig_publish(other, "home/lamp", "on", 1, false);
    c = rig_connect(r, .id = "c", .user = "u", .password = "p", .present = true);
    rig_take(c, "home/lamp", "on", 1, false, false);
    rig_expect_nothing(c);
}

/* It was granted when it was queued; what has been sent before, at QoS 2, comes to its end. */
static void a_deny_counts_for_what_waits(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    rig_user(r, "other", "p", NULL, 0, true);
    struct peer *other = rig_connect(r, .id = "o", .user = "other", .password = "p", .clean = true);
    struct peer *c = rig_connect(r, .id = "c", .user = "u", .password = "p");
    rig_subscribe(c, 1, "home/#:2");
    rig_publish(other, "home/safe/door", "seen", 2, false);
    uint16_t seen = rig_expect_publish(c, "home/safe/door", "seen", 2, false, false);
    rig_drop(c);
    rig_run(r);
    for (uint8_t qos = 1; qos < 3; qos++) {
        rig_publish(other, "home/safe/door", "open", qos, false);
        rig_publish(other, "home/lamp", "on", qos, false);
        rig_publish(other, "home/safe/door", "shut", qos, false);
    }
    rig_change_user(r, "u", safe, 1, true);
    rig_renew_rights(r);
    c = rig_connect(r, .id = "c", .user = "u", .password = "p", .present = true);
    assert_int_equal(rig_expect_publish(c, "home/safe/door", "seen", 2, true, false), seen);
    rig_take(c, "home/lamp", "on", 1, false, false);
    rig_take(c, "home/lamp", "on", 2, false, false);
    rig_send_ack(c, PACKET_PUBREC, seen);
    rig_expect_ack(c, PACKET_PUBREL, seen);
    rig_send_ack(c, PACKET_PUBCOMP, seen);
    rig_expect_nothing(c);
    /* Nor does it come back with the right. */
    rig_change_user(r, "u", NULL, 0, true);
    rig_renew_rights(r);
    rig_disconnect(c);
    c = rig_connect(r, .id = "c", .user = "u", .password = "p", .present = true);
    rig_expect_nothing(c);
}

/* The same for who is connected, and takes no more at a time. */
static void a_deny_counts_behind_a_full_window(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    rig_user(r, "other", "p", NULL, 0, true);
    struct peer *other = rig_connect(r, .id = "o", .user = "other", .password = "p", .clean = true);
    struct peer *c = UP(r, "c");
    rig_subscribe(c, 1, "home/#:1");
    uint16_t ids[2];
    for (unsigned i = 0; i < 2; i++) {
        rig_publish(other, "home/safe/door", "open", 1, false);
        ids[i] = rig_expect_publish(c, "home/safe/door", "open", 1, false, false);
    }
    rig_publish(other, "home/safe/door", "shut", 1, false);
    rig_publish(other, "home/safe/door", "shut", 0, false);
    rig_publish(other, "home/lamp", "on", 1, false);
    rig_expect_nothing(c);
    rig_change_user(r, "u", safe, 1, true);
    rig_renew_rights(r);
    for (unsigned i = 0; i < 2; i++)
        rig_send_ack(c, PACKET_PUBACK, ids[i]);
    rig_take(c, "home/lamp", "on", 1, false, false);
    rig_expect_nothing(c);
}

static void window_of_two(struct limits *l)
{
    l->max_inflight = 2;
}

/* It was asked for before the change, and is answered behind it: the answer is of yesterday. */
static void an_answer_that_comes_late_is_asked_for_again(void **state)
{
    struct rig *r = *state;
    rig_user(r, "u", "p", NULL, 0, true);
    rig_user(r, "gone", "p", NULL, 0, true);
    rig_user(r, "other", "p", NULL, 0, true);
    struct peer *other = rig_connect(r, .id = "o", .user = "other", .password = "p", .clean = true);
    r->auth_later = true;
    struct peer *c[4], *gone[4];
    for (unsigned i = 0; i < 4; i++) {
        c[i] = rig_start(r, &(struct rig_connect){.id = numbered(i), .user = "u", .password = "p", .clean = true});
        gone[i] =
            rig_start(r, &(struct rig_connect){.id = numbered(4 + i), .user = "gone", .password = "p", .clean = true});
    }
    rig_run(r);
    rig_change_user(r, "u", safe, 1, true);
    rig_change_user(r, "gone", NULL, 1, false);
    rig_renew_rights(r);
    rig_answer_auth(r);
    for (unsigned i = 0; i < 4; i++) {
        rig_expect_connack(c[i], false, 0);
        rig_expect_refused(gone[i], REASON_BAD_USER_NAME_OR_PASSWORD);
        assert_false(rig_has_session(r, numbered(4 + i)));
        rig_subscribe(c[i], 1, "home/#:1");
    }
    rig_publish(other, "home/safe/door", "open", 1, false);
    rig_publish(other, "home/lamp", "on", 1, false);
    for (unsigned i = 0; i < 4; i++)
        rig_take(c[i], "home/lamp", "on", 1, false, false);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST(a_deny_counts_at_once_for_who_is_here),
        RIG_TEST(who_is_no_more_has_to_go),
        RIG_TEST(sessions_without_a_connection_count_too),
        RIG_TEST(a_deny_counts_for_what_waits),
        RIG_TEST_LIMITS(a_deny_counts_behind_a_full_window, 0, window_of_two),
        RIG_TEST(an_answer_that_comes_late_is_asked_for_again),
    };
    return RIG_MAIN(tests);
}
