/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which member of a shared subscription is chosen, and who is next when that one can't take the message. */
#include "unit_share.h"

#define MEMBERS 5

/* Five members with handles 1 to 5; their turns. */
struct five {
    struct index *x;
    struct share_hint *hint[MEMBERS];
    struct share_group *group;
    struct matches m;
    struct share_members *members;
};

static int five_setup(void **state)
{
    struct five *u = calloc(1, sizeof(*u));
    u->x = index_new(&key);
    for (unsigned i = 0; i < MEMBERS; i++) {
        u->hint[i] = hint(READY);
        u->group = join(u->x, "g", "t", i + 1, u->hint[i]);
    }
    matches_init(&u->m);
    u->members = only_group(u->x, "t", &u->m);
    *state = u;
    return 0;
}

static int five_teardown(void **state)
{
    struct five *u = *state;
    matches_fini(&u->m);
    index_free(u->x);
    for (unsigned i = 0; i < MEMBERS; i++)
        share_hint_unref(u->hint[i]);
    free(u);
    return 0;
}

static void set_hints(struct five *u, const unsigned flags[MEMBERS])
{
    for (unsigned i = 0; i < MEMBERS; i++)
        share_hint_set(u->hint[i], flags[i]);
}

static void count_turns(struct five *u, unsigned n, unsigned turns[MEMBERS])
{
    struct share_turn t;
    for (unsigned i = 0; i < MEMBERS; i++)
        turns[i] = 0;
    while (n-- > 0) {
        assert_true(share_pick(u->members, 1, &t));
        assert_in_range(t.to.h, 1, MEMBERS);
        assert_int_equal(t.to.o.id, t.to.h);
        assert_int_equal(t.tried, 1);
        turns[t.to.h - 1]++;
    }
}

static void each_in_turn(void **state)
{
    struct five *u = *state;
    unsigned turns[MEMBERS];
    count_turns(u, 1000, turns);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(turns[i], 200);
    /* Two are away: the others don't pay for where those stand. */
    set_hints(u, (unsigned[]){READY, AWAY, AWAY, READY, READY});
    count_turns(u, 999, turns);
    assert_int_equal(turns[0], 333);
    assert_int_equal(turns[3], 333);
    assert_int_equal(turns[4], 333);
}

static void the_best_is_chosen(void **state)
{
    static const struct {
        unsigned flags[MEMBERS];
        uint8_t qos;
        handle want; /* 0: none */
        bool last;
    } rows[] = {
        {{0, BUSY, AWAY, BUSY, READY | SHARE_DURABLE}, 1, 5, false},
        {{AWAY, SHARE_ONLINE, BUSY, SHARE_DURABLE, 0}, 1, 3, false},
        {{SHARE_DURABLE, SHARE_ONLINE, 0, AWAY, SHARE_ONLINE}, 1, 4, false},
        {{SHARE_DURABLE, SHARE_ONLINE, 0, AWAY, 0}, 0, 2, true}, /* nothing of QoS 0 is kept for who is away */
        {{SHARE_DURABLE, 0, SHARE_ONLINE, 0, 0}, 2, 3, true},
        {{0, SHARE_ROOM, 0, SHARE_DURABLE, SHARE_ROOM}, 1, 4, true},
        {{AWAY, AWAY, SHARE_DURABLE, AWAY, AWAY}, 0, 0, false},
        {{0, SHARE_ROOM, 0, 0, 0}, 2, 0, false},
    };
    struct five *u = *state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        set_hints(u, rows[i].flags);
        for (unsigned k = 0; k < 2 * MEMBERS; k++) {
            struct share_turn t;
            assert_int_equal(share_pick(u->members, rows[i].qos, &t), rows[i].want != 0);
            if (rows[i].want == 0)
                continue;
            assert_true(t.to.h == rows[i].want);
            assert_int_equal(t.last, rows[i].last);
        }
    }
}

/* A member that asked for QoS 0 keeps nothing while it is away: another one does. */
static void away_at_qos_0(void **state)
{
    struct five *u = *state;
    struct share_turn t;
    set_hints(u, (unsigned[]){AWAY, AWAY, AWAY, AWAY, AWAY});
    struct share_group *g;
    for (handle h = 1; h <= 4; h++)
        assert_int_equal(
            index_add_shared(u->x, bytes_str("g"), bytes_str("t"), h, (struct sub_options){0}, u->hint[h], &g),
            INDEX_REPLACED);
    struct share_members *m = only_group(u->x, "t", &u->m);
    for (unsigned i = 0; i < 10; i++) {
        assert_true(share_pick(m, 1, &t));
        assert_true(t.to.h == 5);
    }
}

/* Of those that only have room, each has its turn too. */
static void busy_ones_in_turn(void **state)
{
    struct five *u = *state;
    unsigned turns[MEMBERS];
    set_hints(u, (unsigned[]){BUSY, BUSY, 0, BUSY, BUSY});
    count_turns(u, 400, turns);
    for (unsigned i = 0; i < MEMBERS; i++)
        assert_int_equal(turns[i], i == 2 ? 0 : 100);
}

/* Each member that the message comes to has no room after all: it comes to each once, then stays. */
static void once_round_the_group(void **state)
{
    struct five *u = *state;
    struct share_turn t;
    unsigned seen = 0;
    assert_true(share_pick(u->members, 1, &t));
    for (unsigned i = 1; i <= MEMBERS; i++) {
        assert_int_equal(t.tried, i);
        seen |= 1u << t.to.h;
        struct share_turn before = t;
        assert_int_equal(share_forward(u->x, 1, false, &t), i < MEMBERS);
        if (i == MEMBERS)
            assert_memory_equal(&t, &before, sizeof(t));
    }
    assert_int_equal(seen, 0x3e);
    /* One that says by its hint that it has no room is not asked. */
    assert_true(share_pick(u->members, 1, &t));
    for (unsigned i = 0; i < MEMBERS; i++)
        share_hint_set(u->hint[i], i + 1 == t.to.h ? READY : SHARE_ONLINE | SHARE_DURABLE);
    assert_false(share_forward(u->x, 1, false, &t));
    /* But better one without room than none. */
    assert_true(share_forward(u->x, 1, true, &t));
    assert_true(t.last);
    assert_false(share_forward(u->x, 1, false, &t));
}

/* A member that left is passed over even if the message has been everywhere, but not for ever. */
static void from_one_that_is_gone(void **state)
{
    struct five *u = *state;
    struct share_turn t;
    assert_true(share_pick(u->members, 1, &t));
    unsigned n = 1;
    for (; share_forward(u->x, 1, true, &t); n++)
        assert_int_equal(t.tried, n + 1);
    assert_int_equal(n, 2 * MEMBERS);
    assert_true(share_pick(u->members, 1, &t));
    handle chosen = t.to.h;
    assert_true(index_remove_shared(u->x, u->group, chosen));
    for (unsigned i = 1; i < MEMBERS; i++) {
        assert_true(share_forward(u->x, 1, true, &t));
        assert_true(t.to.h != chosen);
    }
    for (handle h = 1; h <= MEMBERS; h++)
        assert_int_equal(index_remove_shared(u->x, u->group, h), h != chosen);
    assert_false(share_forward(u->x, 1, true, &t));
}

/* A number is not given again: a message doesn't stray into another group. */
static void numbers_are_not_given_again(void **state)
{
    struct five *u = *state;
    struct share_turn t, other;
    struct matches m;
    matches_init(&m);
    assert_true(share_pick(u->members, 1, &t));
    for (handle h = 1; h <= MEMBERS; h++)
        assert_true(index_remove_shared(u->x, u->group, h));
    join(u->x, "g", "t", 3, u->hint[2]);
    assert_null(index_share(u->x, t.group));
    assert_false(share_forward(u->x, 1, true, &t));
    assert_true(share_pick(only_group(u->x, "t", &m), 1, &other));
    assert_int_not_equal(other.group, t.group);
    assert_int_not_equal(other.group, 0);
    matches_fini(&m);
}

/* Removing needs none: the member is skipped in the list that others hold, and gone from the next one. */
static void removing_without_memory(void **state)
{
    struct five *u = *state;
    struct share_turn t;
    for (handle h = 2; h <= 3; h++) {
        mem_fail_at(1);
        assert_true(index_remove_shared(u->x, u->group, h));
        mem_fail_at(0);
        assert_null(index_find_shared(u->x, bytes_str("g"), bytes_str("t"), h));
        assert_false(index_remove_shared(u->x, u->group, h));
    }
    assert_int_equal(index_count(u->x), 3);
    assert_int_equal(share_members_count(u->members), 3);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(share_pick(u->members, 0, &t));
        assert_true(t.to.h != 2 && t.to.h != 3);
        assert_true(share_forward(u->x, 0, true, &t));
        assert_true(t.to.h != 2 && t.to.h != 3);
    }
    /* It may come back, with memory. */
    struct share_group *g = NULL;
    mem_fail_at(1);
    assert_int_equal(index_add_shared(u->x, bytes_str("g"), bytes_str("t"), 2, options(2), u->hint[1], &g),
                     INDEX_NO_MEMORY);
    mem_fail_at(0);
    assert_null(index_find_shared(u->x, bytes_str("g"), bytes_str("t"), 2));
    assert_ptr_equal(join(u->x, "g", "t", 2, u->hint[1]), u->group);
    assert_int_equal(share_members_count(only_group(u->x, "t", &u->m)), 4);
    /* All of them, each held: the group ends with the last. */
    u->members = u->m.shared[0];
    static const handle all[] = {1, 2, 4, 5};
    for (unsigned i = 0; i < 4; i++) {
        mem_fail_at(1);
        assert_true(index_remove_shared(u->x, u->group, all[i]));
        mem_fail_at(0);
    }
    assert_int_equal(share_members_count(u->members), 0);
    assert_false(share_pick(u->members, 1, &t));
    assert_int_equal(index_count(u->x), 0);
    assert_true(index_match(u->x, bytes_str("t"), &u->m));
    assert_int_equal(u->m.shared_n, 0);
}

/* One that was only marked is left out of the next list, also when nobody else holds this one any more. */
static void marked_and_let_go(void **state)
{
    struct five *u = *state;
    for (handle h = 1; h <= 4; h++) {
        mem_fail_at(1);
        assert_true(index_remove_shared(u->x, u->group, h));
        mem_fail_at(0);
    }
    matches_fini(&u->m);
    for (handle h = 1; h <= 2; h++)
        assert_ptr_equal(join(u->x, "g", "t", h, u->hint[h]), u->group);
    assert_int_equal(share_members_count(only_group(u->x, "t", &u->m)), 3);
    assert_true(index_remove_shared(u->x, u->group, 5));
    assert_true(index_remove_shared(u->x, u->group, 1));
    assert_ptr_equal(index_find_shared(u->x, bytes_str("g"), bytes_str("t"), 2), u->group);
    assert_int_equal(share_members_count(only_group(u->x, "t", &u->m)), 1);
    assert_int_equal(index_count(u->x), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_in_turn, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(the_best_is_chosen, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(away_at_qos_0, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(busy_ones_in_turn, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(once_round_the_group, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(from_one_that_is_gone, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(numbers_are_not_given_again, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(removing_without_memory, five_setup, five_teardown),
        cmocka_unit_test_setup_teardown(marked_and_let_go, five_setup, five_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
