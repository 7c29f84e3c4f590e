/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages between shards: nothing lost, order kept, and publishers held back while the other side is behind. */
#include "scenario.h"

#define KIB 1024u
#define MARK (4096 * KIB)

static uint8_t *block(unsigned number, size_t n)
{
    static uint8_t bytes[256 * KIB];
    memset(bytes, (int)('a' + number % 26), n);
    memcpy(bytes, &number, sizeof(number));
    return bytes;
}

static unsigned number_of(const struct packet *p)
{
    unsigned n;
    memcpy(&n, p->publish.payload.p, sizeof(n));
    for (size_t i = sizeof(n); i < p->publish.payload.n; i++)
        if (p->publish.payload.p[i] != 'a' + n % 26)
            return UINT32_MAX;
    return n;
}

static void send_blocks(struct peer *p, unsigned from, unsigned to, size_t size)
{
    for (unsigned i = from; i < to; i++)
        rig_send_publish_bytes(p, bytes_str("t"), bytes_of(block(i, size), size), 0, false, 0);
}

static unsigned expect_blocks(struct peer *c, unsigned from, size_t size)
{
    struct packet p;
    while (rig_poll(c, &p) && p.type == PACKET_PUBLISH) {
        assert_int_equal(number_of(&p), from);
        assert_int_equal(p.publish.payload.n, size);
        from++;
    }
    return from;
}

/* Only the publisher's shard has turns: it stops reading at the mark, and goes on when the mail was taken. */
static void held_back(struct rig *r, size_t size)
{
    struct peer *p = rig_clean(r, id_on(r, 0, 1)), *c = rig_clean(r, id_on(r, 1, 2));
    struct peer *other = rig_clean(r, id_on(r, 0, 3));
    rig_subscribe(c, 1, "t:0");
    unsigned total = (unsigned)(3 * MARK / size);
    send_blocks(p, 0, total, size);
    size_t all = p->in_n;
    for (unsigned i = 0; i < 2000; i++)
        rig_turn(r, 0);
    size_t read = all - p->in_n;
    assert_true(read > MARK / 4 * 3 && read < MARK + 256 * KIB);
    assert_true(p->stopped);
    rig_send_publish(other, "nobody", "x", 0, false, 0); /* one that sends elsewhere is held back too, after this one */
    rig_turn(r, 0);
    rig_run(r);
    assert_int_equal(p->in_n, 0);
    assert_int_equal(expect_blocks(c, 0, size), total);
    assert_int_equal(rig_stats(r).messages_dropped, 0);
}

static void publisher_of_small_messages_is_held_back(void **state)
{
    held_back(*state, 900);
}

static void publisher_of_large_messages_is_held_back(void **state)
{
    held_back(*state, 200 * KIB);
}

/* Two shards are behind; that one has taken its mail is not enough. */
static void held_back_by_two(void **state)
{
    struct rig *r = *state;
    if (r->n < 3)
        return;
    struct peer *p = rig_clean(r, id_on(r, 0, 1));
    struct peer *c = rig_clean(r, id_on(r, 1, 2)), *d = rig_clean(r, id_on(r, 2, 3));
    rig_subscribe(c, 1, "t:0");
    rig_subscribe(d, 1, "t:0");
    send_blocks(p, 0, 3 * MARK / KIB, KIB);
    for (unsigned i = 0; i < 200; i++)
        rig_turn(r, 0);
    assert_true(p->stopped);
    size_t unread = p->in_n;
    for (unsigned i = 0; i < 200; i++) {
        rig_turn(r, 1);
        rig_turn(r, 0);
    }
    assert_true(p->stopped);
    assert_int_equal(p->in_n, unread);
    rig_run(r);
    assert_int_equal(expect_blocks(c, 0, KIB), 3 * MARK / KIB);
    assert_int_equal(expect_blocks(d, 0, KIB), 3 * MARK / KIB);
}

/* Its keep-alive clock stands still meanwhile. */
static void held_back_is_not_silent(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_connect(r, .id = id_on(r, 0, 1), .clean = true, .keep_alive = 1);
    struct peer *c = rig_clean(r, id_on(r, 1, 2));
    rig_subscribe(c, 1, "t:0");
    send_blocks(p, 0, 3 * MARK / KIB, KIB);
    for (unsigned i = 0; i < 2000; i++)
        rig_turn(r, 0);
    assert_true(p->stopped);
    for (unsigned i = 0; i < 100; i++) {
        r->now += 100;
        rig_turn(r, 0);
    }
    assert_non_null(p->client);
    rig_run(r);
    assert_int_equal(expect_blocks(c, 0, KIB), 3 * MARK / KIB);
    rig_expect_nothing(p);
}

static void held_back_publisher_goes_away(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, id_on(r, 0, 1)), *c = rig_clean(r, id_on(r, 1, 2));
    rig_subscribe(c, 1, "t:0");
    send_blocks(p, 0, 2 * MARK / KIB, KIB);
    for (unsigned i = 0; i < 2000; i++)
        rig_turn(r, 0);
    assert_true(p->stopped);
    p->dropped = true;
    p->in_n = p->arrived;
    for (unsigned i = 0; i < 10; i++)
        rig_turn(r, 0);
    rig_run(r);
    unsigned got = expect_blocks(c, 0, KIB);
    assert_true(got > 3000 && got < 2 * MARK / KIB);
}

static void receiver_goes_away_with_mail_on_its_way(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, id_on(r, 0, 1)), *c = rig_clean(r, id_on(r, 1, 2)), *d = rig_clean(r, id_on(r, 1, 3));
    rig_subscribe(c, 1, "t:0");
    rig_subscribe(d, 1, "t:0");
    send_blocks(p, 0, 100, KIB);
    for (unsigned i = 0; i < 10; i++)
        rig_turn(r, 0);
    rig_send_unsubscribe(d, 2, "t");
    c->dropped = true;
    rig_run(r);
    unsigned got = expect_blocks(d, 0, KIB); /* none behind the UNSUBACK */
    struct packet last;
    assert_true(got == 0 || got == 100);
    assert_false(rig_poll(d, &last));
}

/* The session's handle is another one when the session was made anew: mail for the old one is not for it. */
static void stale_mail_finds_nobody(void **state)
{
    struct rig *r = *state;
    const char *id = id_on(r, 1, 2);
    struct peer *p = rig_clean(r, id_on(r, 0, 1)), *c = rig_clean(r, id);
    rig_subscribe(c, 1, "t:1");
    rig_send_publish(p, "t", "old", 1, false, 1);
    for (unsigned i = 0; i < 4; i++)
        rig_turn(r, 0);
    struct peer *again = rig_start(r, &(struct rig_connect){.id = id, .clean = true, .at = 2});
    while (rig_turn(r, 1) && !r->s[1].rung && again->got_n == 0)
        ;
    rig_run(r);
    rig_expect_ack(p, PACKET_PUBACK, 1);
    struct packet packet;
    while (rig_next(again, &packet))
        assert_int_equal(packet.type, PACKET_CONNACK);
}

/* The broker stops with mail that nobody took: nothing leaks (the teardown looks). */
static void mail_left_at_the_end(void **state)
{
    struct rig *r = *state;
    struct peer *p = rig_clean(r, id_on(r, 0, 1)), *c = rig_clean(r, id_on(r, 1, 2)), *d = rig_clean(r, id_on(r, 1, 3));
    rig_subscribe(c, 1, "t:0");
    rig_subscribe(d, 1, "t:0");
    send_blocks(p, 0, 10, 100);
    send_blocks(p, 10, 20, 20 * KIB);
    for (unsigned i = 0; i < 8; i++)
        rig_turn(r, 0);
    rig_abandon(r);
    *state = rig_new(2, NULL, RIG_AT_ONCE);
}

static void everybody_to_everybody(void **state)
{
    struct rig *r = *state;
    enum { N = 12, EACH = 60 };
    struct peer *c[N];
    for (unsigned i = 0; i < N; i++) {
        c[i] = rig_connect(r, .id = numbered(i), .clean = i % 3 != 0);
        rig_subscribe(c[i], 1, "t/#:1");
    }
    for (unsigned k = 0; k < EACH; k++)
        for (unsigned i = 0; i < N; i++) {
            char topic[16];
            snprintf(topic, sizeof(topic), "t/%u", i);
            rig_send_publish(c[i], topic, numbered(k), 1, false, (uint16_t)(k + 1));
        }
    unsigned next[N][N] = {{0}}, acks[N] = {0}, total = 0;
    for (bool more = true; more;) {
        more = false;
        for (unsigned i = 0; i < N; i++) {
            struct packet p;
            while (rig_next(c[i], &p)) {
                more = true;
                if (p.type == PACKET_PUBACK) {
                    assert_int_equal(p.ack.id, ++acks[i]);
                    continue;
                }
                unsigned from = number_in(p.publish.topic, 2);
                unsigned number = number_in(p.publish.payload, 1);
                assert_int_equal(number, next[i][from]++);
                total++;
                rig_send_ack(c[i], PACKET_PUBACK, p.publish.id);
            }
        }
    }
    assert_int_equal(total, N * N * EACH);
}

int main(void)
{
    static const struct rig_test tests[] = {
        RIG_TEST_IN(publisher_of_small_messages_is_held_back, RIG_MANY | RIG_HEAVY | RIG_311),
        RIG_TEST_IN(publisher_of_large_messages_is_held_back, RIG_MANY | RIG_HEAVY | RIG_311),
        RIG_TEST_IN(held_back_by_two, RIG_MANY | RIG_HEAVY | RIG_311),
        RIG_TEST_IN(held_back_is_not_silent, RIG_MANY | RIG_HEAVY | RIG_311),
        RIG_TEST_IN(held_back_publisher_goes_away, RIG_MANY | RIG_HEAVY | RIG_311),
        RIG_TEST_IN(receiver_goes_away_with_mail_on_its_way, RIG_MANY | RIG_WHOLE),
        RIG_TEST_IN(stale_mail_finds_nobody, RIG_MANY | RIG_WHOLE | RIG_IMMEDIATE),
        RIG_TEST_IN(mail_left_at_the_end, RIG_MANY | RIG_WHOLE),
        RIG_TEST_IN(everybody_to_everybody, RIG_WHOLE),
    };
    return RIG_MAIN(tests);
}
