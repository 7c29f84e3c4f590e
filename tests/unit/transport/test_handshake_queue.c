/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The queue of handshakes by a clock that each step moves on by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../../src/transport/handshake_queue_private.h"

#define MS UINT64_C(1000000)
#define MANY 1000

struct work {
    struct list node;
    uint64_t costs;
    unsigned again; /* times that it queues itself, half through */
    bool needs_place;
    unsigned done; /* the place in the order in which steps were done; 0: not yet */
};

static struct handshake_queue queue;
static struct work works[MANY];
static uint64_t now;
static unsigned order, places;

static uint64_t fake_clock(void)
{
    return now;
}

static bool step(struct list *node)
{
    struct work *w = container_of(node, struct work, node);
    assert_true(list_empty(node));
    if (w->needs_place && places == 0)
        return false;
    places -= w->needs_place;
    now += w->costs;
    w->done = ++order;
    if (w->again > 0) {
        w->again--;
        handshake_queue_add(&queue, node, true);
    }
    return true;
}

static int begin(void **state)
{
    (void)state;
    handshake_queue_init(&queue);
    now = 77 * MS;
    order = 0;
    for (unsigned i = 0; i < MANY; i++) {
        works[i] = (struct work){.costs = MS};
        list_init(&works[i].node);
    }
    return 0;
}

static unsigned turn(void)
{
    unsigned before = order;
    handshake_queue_run(&queue, fake_clock, step);
    return order - before;
}

static void a_turn_has_five_milliseconds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++)
        handshake_queue_add(&queue, &works[i].node, false);
    assert_int_equal(turn(), 5);
    assert_false(handshake_queue_empty(&queue));
    assert_int_equal(turn(), 5);
    assert_int_equal(turn(), 2);
    assert_true(handshake_queue_empty(&queue));
    assert_int_equal(turn(), 0);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(works[i].done, i + 1);
}

/* It can't be interrupted; but nothing else is begun in that turn. */
static void a_long_step_is_the_last_of_its_turn(void **state)
{
    (void)state;
    works[1].costs = 40 * MS;
    for (unsigned i = 0; i < 3; i++)
        handshake_queue_add(&queue, &works[i].node, false);
    assert_int_equal(turn(), 2);
    assert_int_equal(turn(), 1);
}

static void small_steps_are_many(void **state)
{
    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        works[i].costs = 20 * MS / MANY;
        handshake_queue_add(&queue, &works[i].node, i % 2);
    }
    assert_int_equal(turn(), MANY / 4);
}

static void who_is_half_through_comes_first_but_for_each_fourth(void **state)
{
    (void)state;
    static const unsigned expected[] = {8, 9, 10, 0, 11, 12, 13, 1, 14, 15, 2, 3, 4, 5, 6, 7};
    for (unsigned i = 0; i < 16; i++)
        handshake_queue_add(&queue, &works[i].node, i >= 8);
    while (!handshake_queue_empty(&queue))
        turn();
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(works[expected[i]].done, i + 1);
}

/* Of twice what a turn can do, as much as possible comes to its end: nobody is begun while others can be finished. */
static void what_is_begun_is_finished(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        works[i].again = 1;
        handshake_queue_add(&queue, &works[i].node, false);
    }
    for (unsigned turns = 1; turns <= 20; turns++) {
        unsigned begun = 0, finished = 0;
        turn();
        for (unsigned i = 0; i < 100; i++) {
            begun += works[i].done > 0;
            finished += works[i].done > 0 && works[i].again == 0 && list_empty(&works[i].node);
        }
        assert_true(begun - finished <= 1);
    }
}

static void who_queues_forever_keeps_nobody_out(void **state)
{
    (void)state;
    works[0].again = UINT32_MAX;
    works[1].again = UINT32_MAX;
    handshake_queue_add(&queue, &works[0].node, true);
    handshake_queue_add(&queue, &works[1].node, true);
    for (unsigned i = 2; i < 12; i++)
        handshake_queue_add(&queue, &works[i].node, false);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(turn(), 5);
    for (unsigned i = 2; i < 12; i++)
        assert_int_equal(works[i].done, 4 * (i - 1));
}

static void who_leaves_is_not_served(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        handshake_queue_add(&queue, &works[i].node, false);
    list_remove(&works[1].node);
    assert_int_equal(turn(), 2);
    assert_int_equal(works[1].done, 0);
}

/* They keep their order, and nobody asks for them meanwhile; who has begun goes on. */
static void beginners_wait_for_places(void **state)
{
    (void)state;
    places = 1;
    for (unsigned i = 0; i < 4; i++) {
        works[i].needs_place = true;
        handshake_queue_add(&queue, &works[i].node, false);
    }
    assert_int_equal(turn(), 1);
    assert_true(handshake_queue_idle(&queue));
    assert_false(handshake_queue_empty(&queue));
    handshake_queue_add(&queue, &works[4].node, true);
    assert_false(handshake_queue_idle(&queue));
    assert_int_equal(turn(), 1);
    assert_int_equal(works[4].done, 2);
    places = 2;
    assert_int_equal(turn(), 0);
    handshake_queue_unblock(&queue);
    list_remove(&works[1].node);
    assert_int_equal(turn(), 2);
    assert_int_equal(works[2].done, 3);
    assert_int_equal(works[3].done, 4);
    assert_true(handshake_queue_empty(&queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_turn_has_five_milliseconds, begin),
        cmocka_unit_test_setup(a_long_step_is_the_last_of_its_turn, begin),
        cmocka_unit_test_setup(small_steps_are_many, begin),
        cmocka_unit_test_setup(who_is_half_through_comes_first_but_for_each_fourth, begin),
        cmocka_unit_test_setup(what_is_begun_is_finished, begin),
        cmocka_unit_test_setup(who_queues_forever_keeps_nobody_out, begin),
        cmocka_unit_test_setup(who_leaves_is_not_served, begin),
        cmocka_unit_test_setup(beginners_wait_for_places, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
