/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "sotto/base/inbox.h"

#define SENDERS 3
#define EACH 6000

struct item {
    struct list node;
    unsigned sender, number;
};

static struct inbox box;
static struct item items[SENDERS][EACH];

static void only_the_first_push_asks_for_a_wake_up(void **state)
{
    (void)state;
    struct list out, one;
    struct item a, b;
    inbox_init(&box);
    list_init(&out);
    list_init(&one);
    assert_false(inbox_push(&box, &one, 0)); /* nothing to wake for */
    list_push_back(&one, &a.node);
    assert_true(inbox_push(&box, &one, 10));
    assert_true(list_empty(&one));
    list_push_back(&one, &b.node);
    assert_false(inbox_push(&box, &one, 5));
    assert_int_equal(inbox_bytes(&box), 15);
    inbox_take(&box, &out);
    assert_int_equal(inbox_bytes(&box), 0);
    assert_ptr_equal(list_pop_front(&out), &a.node);
    assert_ptr_equal(list_pop_front(&out), &b.node);
    assert_true(list_empty(&out));
    inbox_take(&box, &out);
    assert_true(list_empty(&out));
    list_push_back(&one, &a.node);
    assert_true(inbox_push(&box, &one, 1));
    inbox_take(&box, &out);
    inbox_fini(&box);
}

static pthread_mutex_t wake_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static unsigned wakes;

static void *sends(void *arg)
{
    unsigned sender = *(unsigned *)arg;
    struct rng r = {sender};
    for (unsigned i = 0; i < EACH;) {
        struct list batch;
        list_init(&batch);
        unsigned n = 1 + rng_below(&r, 20);
        for (; n > 0 && i < EACH; n--, i++) {
            items[sender][i] = (struct item){.sender = sender, .number = i};
            list_push_back(&batch, &items[sender][i].node);
        }
        if (inbox_push(&box, &batch, 1)) {
            pthread_mutex_lock(&wake_lock);
            wakes++;
            pthread_cond_signal(&wake);
            pthread_mutex_unlock(&wake_lock);
        }
    }
    return NULL;
}

/* The receiver sleeps unless woken, so a missing wake-up would hang it. */
static void every_item_arrives_once_and_in_its_senders_order(void **state)
{
    (void)state;
    pthread_t t[SENDERS];
    unsigned ids[SENDERS], next[SENDERS] = {0}, total = 0;
    inbox_init(&box);
    for (unsigned i = 0; i < SENDERS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&t[i], NULL, sends, &ids[i]), 0);
    }
    while (total < SENDERS * EACH) {
        struct list out, *n;
        list_init(&out);
        pthread_mutex_lock(&wake_lock);
        while (wakes == 0)
            pthread_cond_wait(&wake, &wake_lock);
        wakes = 0;
        pthread_mutex_unlock(&wake_lock);
        inbox_take(&box, &out);
        for (; (n = list_pop_front(&out)) != NULL; total++) {
            struct item *item = container_of(n, struct item, node);
            assert_int_equal(item->number, next[item->sender]++);
        }
    }
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(inbox_bytes(&box), 0);
    inbox_fini(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_first_push_asks_for_a_wake_up),
        cmocka_unit_test(every_item_arrives_once_and_in_its_senders_order),
    };
    return cmocka_run_group_tests_name("inbox", tests, NULL, NULL);
}
