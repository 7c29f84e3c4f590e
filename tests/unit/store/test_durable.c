/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The durable store: what is put is there after a restart, and what need not be written is not. */
#include "durable_harness.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "disk/shim_vfs.h"
#include "sotto/base/log.h"

static int setup(void **state)
{
    static struct harness h;
    harness_init(&h);
    assert_true(harness_open(&h));
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    harness_fini(*state);
    return 0;
}

/* Fixed clocks, for what is about time. */
static void stand_still(struct harness *h, int64_t wall, msec now)
{
    harness_close(h);
    clock_set(wall, now);
    assert_true(harness_open(h));
}

static void sessions_and_all_they_have(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    put_session(h, 1, 2, false);
    put_filter(h, 0, 1, STORE_SUBSCRIBE, "a/+");
    put_filter(h, 0, 1, STORE_SUBSCRIBE, "b/#");
    put_filter(h, 0, 1, STORE_SUBSCRIBE, "c");
    put_filter(h, 0, 1, STORE_UNSUBSCRIBE, "b/#");
    put_row(h, 0, 1, 1, 0, "one");
    put_row(h, 0, 1, 2, 0, "two");
    put_row(h, 0, 1, 3, 0, "three");
    put_row(h, 1, 2, 1, 0, "else");
    settle(h);
    put_state(h, 0, 1, STORE_SENT, 1, 11);
    put_state(h, 0, 1, STORE_SENT, 2, 12);
    put_state(h, 0, 1, STORE_RELEASED, 2, 12);
    put_received(h, 0, 1, STORE_RECEIVED, 5, 0);
    put_received(h, 0, 1, STORE_RECEIVED, 6, 0);
    settle(h);
    put_received(h, 0, 1, STORE_RECEIVED_DONE, 5, 0);
    settle(h);
    harness_close(h);
    clock_set(INT64_C(1700000000000), 5000);
    assert_true(harness_open(h));
    char text[1024];
    snprintf(text, sizeof(text),
             "session c0.1 user=u1 expiry=3600 expires=3600000\n"
             "  filter a/+ qos=1 flags=2 id=7\n"
             "  filter c qos=1 flags=2 id=7\n"
             "  received 6\n"
             "  row 1 sent id=11 qos=1/1 retain=0 sub=0 t::one\n"
             "  row 2 released id=12 qos=1/1 retain=0 sub=0 t::two\n"
             "  row 3 waiting qos=1/1 retain=0 sub=0 t::three\n");
    assert_int_equal(strncmp(h->dump, text, strlen(text)), 0);
    assert_non_null(strstr(h->dump, "session c1.2 user=u2 expiry=3600 expires="));
    assert_non_null(strstr(h->dump, "\n  row 1 waiting qos=1/1 retain=0 sub=0 t::else\n"));
}

static void a_session_that_ends_leaves_nothing(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    put_filter(h, 0, 1, STORE_SUBSCRIBE, "a");
    put_received(h, 0, 1, STORE_RECEIVED, 5, 0);
    for (unsigned i = 1; i <= 1200; i++)
        put_row(h, 0, 1, i, 0, "x");
    settle(h);
    put_end(h, 0, 1);
    settle(h);
    for (unsigned i = 0; i < 1000 && query(h, "SELECT count(*) FROM message") > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(query(h, "SELECT count(*) FROM message"), 0);
    assert_int_equal(query(h, "SELECT count(*) FROM queue"), 0);
    expect_dump(h, "");
    for (unsigned i = 0; i < 1000 && query(h, "SELECT count(*) FROM ended") > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(query(h, "SELECT count(*) FROM ended"), 0);
}

static void a_client_id_may_have_a_new_session(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    put_filter(h, 0, 1, STORE_SUBSCRIBE, "old");
    settle(h);
    put_end(h, 0, 1);
    struct store_record r = {.kind = STORE_SESSION,
                             .session = session_handle(0, 1) + 1, /* the next generation */
                             .client_id = bytes_str("c0.1"),
                             .expiry = 10,
                             .connected = true};
    put(h, 0, &r);
    r.kind = STORE_SUBSCRIBE;
    r.topic = bytes_str("new");
    put(h, 0, &r);
    settle(h);
    stand_still(h, INT64_C(1700000000000), 1000);
    assert_string_equal(h->dump, "session c0.1 user= expiry=10 expires=10000\n  filter new qos=0 flags=0 id=0\n");
}

/* ---------------------------------------------------------------- what need not be written */

static void rows_done_in_time_are_never_written(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    settle(h);
    harness_close(h);
    assert_true(harness_open_only(h)); /* no thread: nothing is taken */
    durable_bind(h->d, session_handle(0, 1), 1);
    put_row(h, 0, 1, 1, 10, "same turn");
    put_state(h, 0, 1, STORE_SENT, 1, 1);
    assert_int_equal(put_state(h, 0, 1, STORE_DONE, 1, 0), 0);
    put_row(h, 0, 1, 2, 11, "pushed");
    put_row(h, 0, 1, 3, 11, "pushed");
    put_row(h, 0, 1, 4, 12, "stays");
    turn(h, 0);
    put_state(h, 0, 1, STORE_SENT, 2, 2);
    put_state(h, 0, 1, STORE_SENT, 4, 4);
    assert_int_equal(put_state(h, 0, 1, STORE_DONE, 2, 0), 0);
    turn(h, 0);
    put_received(h, 0, 1, STORE_RECEIVED, 9, 0);
    turn(h, 0);
    assert_int_equal(put_received(h, 0, 1, STORE_RECEIVED_DONE, 9, 0), 0);
    assert_int_equal(durable_start(h->d), 0);
    settle(h);
    assert_int_equal(query(h, "SELECT count(*) FROM message"), 2);
    assert_int_equal(query(h, "SELECT max(refs) FROM message"), 1);
    assert_int_equal(query(h, "SELECT count(*) FROM received"), 0);
    stand_still(h, INT64_C(1700000000000), 1000);
    assert_string_equal(h->dump,
                        "session c0.1 user=u1 expiry=3600 expires=3600000\n"
                        "  row 3 waiting qos=1/1 retain=0 sub=0 t::pushed\n"
                        "  row 4 sent id=4 qos=1/1 retain=0 sub=0 t::stays\n");
}

static void nothing_put_nothing_written(void **state)
{
    struct harness *h = *state;
    harness_close(h);
    shim_reset();
    h->c.vfs = SHIM_VFS;
    assert_true(harness_open(h));
    put_session(h, 0, 1, true);
    settle(h);
    uint64_t before = shim_writes();
    assert_true(before > 0);
    for (unsigned i = 1; i < 100; i++) {
        put_row(h, 0, 1, i, 0, "x");
        put_state(h, 0, 1, STORE_DONE, i, 0);
        settle(h);
    }
    assert_int_equal(shim_writes(), before);
    harness_close(h);
    shim_reset();
}

static void a_message_of_many_is_stored_once(void **state)
{
    struct harness *h = *state;
    for (unsigned shard = 0; shard < 2; shard++)
        for (unsigned n = 1; n <= 3; n++) {
            put_session(h, shard, n, true);
            put_row(h, shard, n, 1, 77, "for all");
            put_row(h, shard, n, 2, 0, "own");
        }
    settle(h);
    assert_int_equal(query(h, "SELECT count(*) FROM message"), 7);
    assert_int_equal(query(h, "SELECT refs FROM message WHERE payload = CAST('for all' AS BLOB)"), 6);
    for (unsigned shard = 0; shard < 2; shard++)
        for (unsigned n = 1; n <= 3; n++) {
            put_state(h, shard, n, STORE_DONE, 1, 0);
            settle(h);
            assert_int_equal(query(h, "SELECT count(*) FROM message"), shard * 3 + n < 6 ? 7 : 6);
        }
}

/* A message number of a run means another message in the next one. */
static void numbers_start_again_with_the_broker(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    put_row(h, 0, 1, 1, 1, "before");
    settle(h);
    harness_restart(h);
    put_session(h, 0, 2, true);
    put_row(h, 0, 1, 2, 1, "after");
    put_row(h, 0, 2, 1, 0, "own");
    settle(h);
    harness_restart(h);
    assert_non_null(strstr(h->dump, "row 1 waiting qos=1/1 retain=0 sub=0 t::before\n"));
    assert_non_null(strstr(h->dump, "row 2 waiting qos=1/1 retain=0 sub=0 t::after\n"));
    assert_non_null(strstr(h->dump, "session c0.2"));
    assert_int_equal(query(h, "SELECT count(DISTINCT id) FROM session"), 2);
}

/* ---------------------------------------------------------------- QoS 2 */

static void held_rows_count_with_their_packet_id(void **state)
{
    struct harness *h = *state;
    for (unsigned shard = 0; shard < 2; shard++)
        put_session(h, shard, 1, true);
    put_held(h, 0, 1, 1, 100, "true");
    put_held(h, 1, 1, 1, 100, "true");
    put_held(h, 0, 1, 2, 101, "void");
    put_held(h, 1, 1, 2, 101, "void");
    settle(h);
    put_received(h, 0, 1, STORE_RECEIVED, 3, 100);
    settle(h);
    stand_still(h, INT64_C(1700000000000), 1000);
    assert_string_equal(h->dump,
                        "session c0.1 user=u1 expiry=3600 expires=3600000\n"
                        "  received 3\n"
                        "  row 1 waiting qos=2/2 retain=0 sub=0 t::true shared\n"
                        "session c1.1 user=u1 expiry=3600 expires=3600000\n"
                        "  row 1 waiting qos=2/2 retain=0 sub=0 t::true shared\n");
    assert_int_equal(query(h, "SELECT count(*) FROM message"), 1);
}

/* ---------------------------------------------------------------- retained */

static void retained_messages_by_their_last_value(void **state)
{
    struct harness *h = *state;
    assert_true(put_retained(h, 0, "a", "1", 1) > 0);
    assert_true(put_retained(h, 1, "a", "2", 1) > 0);
    assert_true(put_retained(h, 0, "gone", "1", 1) > 0);
    settle(h);
    assert_true(put_retained(h, 1, "gone", "", 1) > 0);
    settle(h);
    assert_int_equal(query(h, "SELECT count(*) FROM retained"), 1);
    expect_dump(h, "retained a::2 qos=1\n");
}

static void retained_qos_0_is_written_behind(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    for (unsigned i = 0; i < 100; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(put_retained(h, i % 2, "sensor", text, 0), 0);
        turn(h, i % 2);
    }
    settle(h);
    assert_int_equal(query(h, "SELECT count(*) FROM retained"), 0);
    put_retained(h, 0, "waited for", "x", 1);
    settle(h);
    assert_int_equal(query(h, "SELECT count(*) FROM retained"), 1);
    harness_restart(h);
    assert_non_null(strstr(h->dump, "retained sensor::99 qos=0\n"));
    put_retained(h, 0, "sensor", "100", 0);
    put_retained(h, 1, "sensor", "", 0);
    harness_restart(h);
    assert_null(strstr(h->dump, "sensor"));
}

static void retained_flush_is_kept(void **state)
{
    struct harness *h = *state;
    harness_close(h);
    h->c.retained_flush = 30;
    assert_true(harness_open(h));
    put_retained(h, 0, "sensor", "1", 0);
    for (unsigned i = 0; i < 1000 && query(h, "SELECT count(*) FROM retained") == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_int_equal(query(h, "SELECT count(*) FROM retained"), 1);
}

static void what_is_refused_at_restore_is_deleted(void **state)
{
    struct harness *h = *state;
    put_retained(h, 0, "unwanted", "1", 1);
    struct store_record r = {.kind = STORE_SESSION, .session = session_handle(0, 9), .client_id = bytes_str("other")};
    put(h, 0, &r);
    put_filter(h, 0, 9, STORE_SUBSCRIBE, "a");
    put_row(h, 0, 9, 1, 0, "x");
    settle(h);
    expect_dump(h, "retained unwanted::1 qos=1\n");
    expect_dump(h, "");
    for (unsigned i = 0; i < 1000 && query(h, "SELECT count(*) FROM message") > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    assert_int_equal(query(h, "SELECT (SELECT count(*) FROM message) + (SELECT count(*) FROM subscription)"), 0);
}

/* ---------------------------------------------------------------- time */

#define HOUR INT64_C(3600000)
#define DAY (24 * HOUR)
#define T0 INT64_C(1700000000000)

static void put_timed(struct harness *h)
{
    struct store_record r = {.kind = STORE_SESSION,
                             .session = session_handle(0, 1),
                             .client_id = bytes_str("c0.1"),
                             .expiry = 60 * 86400,
                             .expires = h->c.now() + 60 * DAY,
                             .topic = bytes_str("w"),
                             .props = bytes_str("p"),
                             .payload = bytes_str("gone"),
                             .has_will = true,
                             .will_delay = 7200,
                             .will_expiry = 9,
                             .qos = 1,
                             .retain = true};
    put(h, 0, &r);
    struct store_record q = {.kind = STORE_QUEUE,
                             .session = session_handle(0, 1),
                             .row = 1,
                             .qos = 1,
                             .topic = bytes_str("t"),
                             .payload = bytes_str("x"),
                             .expires = h->c.now() + 3 * HOUR};
    put(h, 0, &q);
    q.kind = STORE_RETAIN;
    put(h, 0, &q);
    settle(h);
}

static void expect_timed(struct harness *h, int64_t passed)
{
    char text[512];
    snprintf(text, sizeof(text),
             "session c0.1 user= expiry=5184000 expires=%lld will=w:p:gone qos=1 retain=1 will_expiry=9 due=%lld\n"
             "  row 1 waiting qos=1/1 retain=0 sub=0 t::x expires=%lld\n"
             "retained t::x qos=1 expires=%lld\n",
             (long long)(60 * DAY - passed), (long long)(2 * HOUR - passed), (long long)(3 * HOUR - passed),
             (long long)(3 * HOUR - passed));
    assert_string_equal(h->dump, text);
}

static void time_goes_on_while_the_broker_is_down(void **state)
{
    struct harness *h = *state;
    stand_still(h, T0, 10 * DAY);
    put_timed(h);
    stand_still(h, T0 + HOUR, 20 * DAY);
    expect_timed(h, HOUR);
    stand_still(h, T0 + HOUR + HOUR / 2, 21 * DAY);
    expect_timed(h, HOUR + HOUR / 2);
}

static void a_wrong_clock_stops_time(void **state)
{
    struct harness *h = *state;
    stand_still(h, T0, 10 * DAY);
    put_timed(h);
    stand_still(h, T0 - DAY, 20 * DAY); /* earlier than the store */
    expect_timed(h, 0);
    stand_still(h, 1000, 20 * DAY); /* earlier than the program */
    expect_timed(h, 0);
}

static void no_more_than_30_days_pass(void **state)
{
    struct harness *h = *state;
    stand_still(h, T0, 10 * DAY);
    put_timed(h);
    stand_still(h, T0 + 400 * DAY, 100 * DAY);
    char text[64];
    snprintf(text, sizeof(text), "expires=%lld will", (long long)(30 * DAY));
    assert_non_null(strstr(h->dump, text));
    assert_null(strstr(h->dump, "retained"));
}

static void connections_count_as_lost_at_start(void **state)
{
    struct harness *h = *state;
    stand_still(h, T0, 10 * DAY);
    struct store_record r = {.kind = STORE_SESSION,
                             .session = session_handle(0, 1),
                             .client_id = bytes_str("c0.1"),
                             .expiry = 3600,
                             .topic = bytes_str("w"),
                             .payload = bytes_str("lost"),
                             .has_will = true,
                             .will_delay = 60,
                             .will_expiry = UINT32_MAX,
                             .connected = true};
    put(h, 0, &r);
    settle(h);
    stand_still(h, T0 + 5 * HOUR, 20 * DAY);
    assert_string_equal(h->dump,
                        "session c0.1 user= expiry=3600 expires=3600000 will=w::lost qos=0 retain=0 "
                        "due=60000\n");
    stand_still(h, T0 + 5 * HOUR + 30000, 20 * DAY);
    assert_string_equal(h->dump,
                        "session c0.1 user= expiry=3600 expires=3570000 will=w::lost qos=0 retain=0 "
                        "due=30000\n");
}

/* ---------------------------------------------------------------- modes */

static void acknowledged_at_once(struct harness *h, enum durability durability)
{
    harness_close(h);
    h->c.durability = durability;
    h->c.flush_interval = 20;
    assert_true(harness_open(h));
    put_session(h, 0, 1, true);
    put_row(h, 0, 1, 1, 0, "x");
    turn(h, 0);
    assert_true(answered(h));
    for (unsigned i = 0; i < 1000 && query(h, "SELECT count(*) FROM queue") == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    put_row(h, 0, 1, 2, 0, "y");
    turn(h, 0);
    harness_restart(h);
    assert_non_null(strstr(h->dump, "t::x\n"));
    assert_non_null(strstr(h->dump, "t::y\n"));
}

static void interval_acknowledges_at_once(void **state)
{
    acknowledged_at_once(*state, DURABILITY_INTERVAL);
}

static void off_acknowledges_at_once(void **state)
{
    acknowledged_at_once(*state, DURABILITY_OFF);
}

static void too_much_at_a_time_is_said(void **state)
{
    struct harness *h = *state;
    static char big[1 << 20];
    memset(big, 'x', sizeof(big) - 1);
    put_session(h, 0, 1, true);
    for (unsigned i = 1; i <= 10; i++)
        put_row(h, 0, 1, i, 0, big);
    assert_true(durable_ops.full(durable_shard(h->d, 0)));
    assert_true(durable_ops.full(durable_shard(h->d, 1))); /* its publishers may write to shard 0 */
    settle(h);
    assert_false(durable_ops.full(durable_shard(h->d, 0)));
}

/* Sent and acknowledged in one turn, or not quite: of a message of four rows, those are left that should be. */
static void sent_and_done_become_one(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, true);
    put_session(h, 1, 1, true);
    for (uint64_t i = 1; i <= 3; i++)
        put_row(h, 0, 1, i, 77, "x");
    put_row(h, 1, 1, 9, 77, "x");
    settle(h);
    assert_int_equal(query(h, "SELECT refs FROM message"), 4);
    put_state(h, 0, 1, STORE_SENT, 1, 11);
    uint64_t sent = put_state(h, 0, 1, STORE_SENT, 2, 12);
    assert_int_equal(put_state(h, 0, 1, STORE_DONE, 1, 0), sent); /* is to be written, still */
    put_state(h, 0, 1, STORE_RELEASED, 2, 12);
    put_state(h, 0, 1, STORE_SENT, 3, 13);
    put_state(h, 1, 1, STORE_DONE, 9, 0);
    settle(h);
    assert_int_equal(query(h, "SELECT refs FROM message"), 2);
    harness_restart(h);
    assert_null(strstr(h->dump, "  row 1 "));
    assert_null(strstr(h->dump, "  row 9 "));
    assert_non_null(strstr(h->dump, "  row 2 released id=12 "));
    assert_non_null(strstr(h->dump, "  row 3 sent id=13 "));
    put_state(h, 0, 1, STORE_DONE, 2, 0);
    put_state(h, 0, 1, STORE_DONE, 3, 0);
    settle(h);
    assert_int_equal(query(h, "SELECT count(*) FROM message"), 0);
}

/* ---------------------------------------------------------------- from one session to another */

static void expect_sound(const struct harness *h)
{
    assert_int_equal(query(h,
                           "SELECT count(*) FROM message m WHERE refs <> (SELECT count(*) FROM queue WHERE"
                           " message = m.id)"),
                     0);
}

/* The session ends, and its chores are done; the message is there all the time, once. */
static void given_before_the_end_taken_after(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, false);
    put_session(h, 1, 2, false);
    put_shared_row(h, 0, 1, 1, 0, "x");
    put_row(h, 0, 1, 2, 0, "y");
    put_state(h, 0, 1, STORE_SENT, 1, 7);
    settle(h);
    put_move(h, 0, 1, STORE_GIVE, 1, 30);
    put_end(h, 0, 1);
    settle(h);
    for (unsigned i = 0; i < 500 && query(h, "SELECT count(*) FROM queue") != 1; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    harness_restart(h);
    assert_null(strstr(h->dump, "session c0.1"));
    assert_non_null(strstr(h->dump, "given\n  row 30 waiting qos=1/1 retain=0 sub=0 t::x through $share/g/t\n"));
    expect_sound(h);
    put_move(h, 1, 2, STORE_TAKE, 5, 30);
    settle(h);
    harness_restart(h);
    assert_null(strstr(h->dump, "given"));
    assert_non_null(strstr(h->dump, "  row 5 waiting qos=1/1 retain=0 sub=0 t::x through $share/g/t\n"));
    expect_sound(h);
    put_state(h, 1, 2, STORE_SENT, 5, 9);
    put_state(h, 1, 2, STORE_DONE, 5, 0);
    settle(h);
    assert_int_equal(query(h, "SELECT (SELECT count(*) FROM queue) + (SELECT count(*) FROM message)"), 0);
}

static void given_and_over(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, false);
    for (uint64_t i = 1; i <= 3; i++)
        put_shared_row(h, 0, 1, i, 77, "x");
    settle(h);
    for (uint64_t i = 1; i <= 2; i++)
        put_move(h, 0, 1, STORE_GIVE, i, 30 + i);
    turn(h, 0);
    put_given_done(h, 1, 31);
    settle(h);
    harness_restart(h);
    assert_null(strstr(h->dump, "  row 31"));
    assert_non_null(strstr(h->dump, "given\n  row 32 waiting"));
    assert_non_null(strstr(h->dump, "  row 3 waiting"));
    expect_sound(h);
}

/* Its publication never becomes true: it is nobody's message. */
static void given_while_it_is_held(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, false);
    put_held(h, 0, 1, 1, 50, "void");
    put_held(h, 0, 1, 2, 52, "true");
    put_move(h, 0, 1, STORE_GIVE, 1, 31);
    put_move(h, 0, 1, STORE_GIVE, 2, 32);
    put_end(h, 0, 1);
    settle(h);
    put_session(h, 1, 1, true);
    put_received(h, 1, 1, STORE_RECEIVED, 3, 52);
    settle(h);
    harness_restart(h);
    assert_null(strstr(h->dump, "void"));
    assert_non_null(strstr(h->dump, "given\n  row 32 waiting"));
    expect_sound(h);
}

/* All of its way before the store thread sees any of it. */
static void given_in_the_turn_that_it_came(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, false);
    put_session(h, 0, 2, false);
    for (uint64_t i = 1; i <= 2; i++) {
        put_shared_row(h, 0, 1, i, 0, "x");
        put_move(h, 0, 1, STORE_GIVE, i, 30 + i);
        put_move(h, 0, 2, STORE_TAKE, i, 30 + i);
    }
    put_end(h, 0, 1);
    put_state(h, 0, 2, STORE_SENT, 1, 4);
    put_state(h, 0, 2, STORE_DONE, 1, 0);
    settle(h);
    harness_restart(h);
    assert_null(strstr(h->dump, "given"));
    assert_null(strstr(h->dump, "  row 1 "));
    assert_non_null(strstr(h->dump, "  row 2 waiting qos=1/1 retain=0 sub=0 t::x through $share/g/t\n"));
    expect_sound(h);
}

/* ---------------------------------------------------------------- whose database */

static void a_second_broker_is_refused(void **state)
{
    struct harness *h = *state;
    char err[512];
    assert_null(durable_open(&h->c, err, sizeof(err)));
    assert_non_null(strstr(err, "another broker"));
    harness_restart(h);
}

static void a_newer_schema_is_refused(void **state)
{
    struct harness *h = *state;
    harness_close(h);
    query(h, "PRAGMA user_version = 999");
    assert_false(harness_open(h));
    assert_non_null(strstr(h->err, "newer version"));
    assert_int_equal(files_like(h, "sotto.db.damaged"), 0);
    query(h, "PRAGMA user_version = 2");
    assert_true(harness_open(h));
}

/* As the program before wrote it. */
static void schema_1_is_brought_up(void **state)
{
    struct harness *h = *state;
    put_session(h, 0, 1, false);
    put_row(h, 0, 1, 1, 0, "old");
    settle(h);
    harness_close(h);
    query(h, "ALTER TABLE queue DROP COLUMN share");
    query(h, "PRAGMA user_version = 1");
    assert_true(harness_open(h));
    assert_non_null(strstr(h->dump, "  row 1 waiting qos=1/1 retain=0 sub=0 t::old\n"));
    assert_int_equal(query(h, "PRAGMA user_version"), 2);
    put_shared_row(h, 0, 1, 2, 0, "new");
    settle(h);
    harness_restart(h);
    assert_non_null(strstr(h->dump, "  row 2 waiting qos=1/1 retain=0 sub=0 t::new through $share/g/t\n"));
}

static void a_foreign_database_is_refused(void **state)
{
    struct harness *h = *state;
    harness_close(h);
    query(h, "PRAGMA application_id = 1");
    query(h, "ALTER TABLE clock RENAME TO theirs");
    assert_false(harness_open(h));
    assert_non_null(strstr(h->err, "another program"));
}

static void a_folder_that_is_not_there(void **state)
{
    struct harness *h = *state;
    harness_close(h);
    h->c.dir = "/nonexistent/sotto";
    assert_false(harness_open(h));
    assert_non_null(strstr(h->err, "/nonexistent/sotto"));
}

static void the_file_is_as_intended(void **state)
{
    struct harness *h = *state;
    assert_int_equal(query(h, "PRAGMA auto_vacuum"), 2);
    assert_int_equal(query(h, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
}

/* Readers of other programs don't stop us. */
static void a_reader_does_not_disturb(void **state)
{
    struct harness *h = *state;
    char path[128];
    sqlite3 *c;
    snprintf(path, sizeof(path), "%s/sotto.db", h->dir);
    put_session(h, 0, 1, true);
    settle(h);
    assert_int_equal(sqlite3_open(path, &c), SQLITE_OK);
    assert_int_equal(sqlite3_exec(c, "BEGIN; SELECT count(*) FROM session", NULL, NULL, NULL), SQLITE_OK);
    for (unsigned i = 1; i <= 50; i++) {
        put_row(h, 0, 1, i, 0, "x");
        settle(h);
    }
    assert_int_equal(h->told[0].failed_upto, 0);
    sqlite3_close(c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(sessions_and_all_they_have),
        T(a_session_that_ends_leaves_nothing),
        T(a_client_id_may_have_a_new_session),
        T(rows_done_in_time_are_never_written),
        T(nothing_put_nothing_written),
        T(a_message_of_many_is_stored_once),
        T(numbers_start_again_with_the_broker),
        T(held_rows_count_with_their_packet_id),
        T(retained_messages_by_their_last_value),
        T(retained_qos_0_is_written_behind),
        T(retained_flush_is_kept),
        T(what_is_refused_at_restore_is_deleted),
        T(time_goes_on_while_the_broker_is_down),
        T(a_wrong_clock_stops_time),
        T(no_more_than_30_days_pass),
        T(connections_count_as_lost_at_start),
        T(interval_acknowledges_at_once),
        T(off_acknowledges_at_once),
        T(too_much_at_a_time_is_said),
        T(a_second_broker_is_refused),
        T(a_newer_schema_is_refused),
        T(schema_1_is_brought_up),
        T(sent_and_done_become_one),
        T(given_before_the_end_taken_after),
        T(given_and_over),
        T(given_while_it_is_held),
        T(given_in_the_turn_that_it_came),
        T(a_foreign_database_is_refused),
        T(a_folder_that_is_not_there),
        T(the_file_is_as_intended),
        T(a_reader_does_not_disturb),
    };
    return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
