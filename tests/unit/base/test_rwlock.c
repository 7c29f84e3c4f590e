/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "sotto/base/rwlock.h"

static struct rwlock lock;
static unsigned guarded[2];

static void nap_ms(long ms)
{
    struct timespec t = {.tv_nsec = ms * 1000000};
    nanosleep(&t, NULL);
}

static void *writes(void *unused)
{
    for (unsigned i = 0; i < 5000; i++) {
        rwlock_write(&lock);
        guarded[0]++;
        guarded[1]++;
        rwlock_unlock(&lock);
    }
    return unused;
}

static void *reads(void *arg)
{
    unsigned *torn = arg;
    for (unsigned i = 0; i < 5000; i++) {
        rwlock_read(&lock);
        *torn += guarded[0] != guarded[1];
        rwlock_unlock(&lock);
    }
    return NULL;
}

static void readers_never_see_half_a_change(void **state)
{
    (void)state;
    pthread_t t[4];
    unsigned torn[2] = {0};
    rwlock_init(&lock);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, i < 2 ? writes : reads, i < 2 ? NULL : &torn[i - 2]), 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(torn[0] + torn[1], 0);
    assert_int_equal(guarded[0], 10000);
    rwlock_fini(&lock);
}

static atomic_int step;

static void *second_reader(void *out)
{
    nap_ms(50);
    atomic_store(&step, 2);
    rwlock_read(&lock);
    *(unsigned *)out = guarded[0];
    rwlock_unlock(&lock);
    return NULL;
}

static void *only_writer(void *unused)
{
    atomic_store(&step, 1);
    rwlock_write(&lock);
    guarded[0] = 77;
    rwlock_unlock(&lock);
    return unused;
}

static void several_readers_hold_it_at_once(void **state)
{
    (void)state;
    pthread_t t;
    unsigned seen = 0;
    rwlock_init(&lock);
    guarded[0] = 5;
    rwlock_read(&lock);
    pthread_create(&t, NULL, second_reader, &seen);
    pthread_join(t, NULL); /* would hang if the second reader had to wait for the first */
    assert_int_equal(seen, 5);
    rwlock_unlock(&lock);
    rwlock_fini(&lock);
}

/* A reader holds the lock, a writer waits, then a new reader comes: it must see what the writer wrote. */
static void a_waiting_writer_goes_before_new_readers(void **state)
{
    (void)state;
    pthread_t writer, reader;
    unsigned seen = 0;
    rwlock_init(&lock);
    guarded[0] = 5;
    atomic_store(&step, 0);
    rwlock_read(&lock);
    pthread_create(&writer, NULL, only_writer, NULL);
    while (atomic_load(&step) < 1)
        nap_ms(1);
    nap_ms(50);
    pthread_create(&reader, NULL, second_reader, &seen);
    while (atomic_load(&step) < 2)
        nap_ms(1);
    nap_ms(50);
    rwlock_unlock(&lock);
    pthread_join(writer, NULL);
    pthread_join(reader, NULL);
    assert_int_equal(seen, 77);
    rwlock_fini(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_never_see_half_a_change),
        cmocka_unit_test(several_readers_hold_it_at_once),
        cmocka_unit_test(a_waiting_writer_goes_before_new_readers),
    };
    return cmocka_run_group_tests_name("rwlock", tests, NULL, NULL);
}
