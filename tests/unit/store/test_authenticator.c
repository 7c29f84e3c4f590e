/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_store.h"

#include <pthread.h>
#include <stdlib.h>

#include "sotto/base/mem.h"
#include "sotto/store/authenticator.h"

/* "pass word", cheap and dear */
#define CHEAP "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzYWx0$vT9ohAnsShQO1BHCSPk+XMVLL2yfuxnv"
#define DEAR "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$YnKzb/u6hmJ516aEqJGlb8wjpkNVOVVSyr/RTHTNGTc"

/* "", cheap */
#define EMPTY "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ"

#define REASONS 256

/* Collects answers; tags are added up, so that a lost or doubled one shows. */
struct sink {
    pthread_mutex_t lock;
    pthread_cond_t more;
    unsigned answers, reasons[REASONS];
    uint64_t tags;
    bool other_user; /* rights came that are not of `user` */
    const char *user;
};

static void on_answer(void *arg, uint64_t tag, enum reason reason, struct rights *rights)
{
    struct sink *s = arg;
    pthread_mutex_lock(&s->lock);
    s->answers++;
    s->reasons[reason]++;
    s->tags += tag;
    if ((reason == REASON_SUCCESS) != (rights != NULL))
        s->other_user = true;
    if (rights != NULL && !bytes_equal(rights_user(rights), bytes_str(s->user)))
        s->other_user = true;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
    rights_unref(rights);
}

static void sink_init(struct sink *s, const char *user)
{
    *s = (struct sink){.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .user = user};
}

static void wait_for(struct sink *s, unsigned answers)
{
    pthread_mutex_lock(&s->lock);
    while (s->answers < answers)
        pthread_cond_wait(&s->more, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static struct users *users(const char *text)
{
    struct users *u = users_parse("u", bytes_str(text), NULL, NULL);
    assert_non_null(u);
    return u;
}

static bool check(struct authenticator *a, const char *user, const char *password, struct sink *s, uint64_t tag)
{
    struct auth_request r = {.user = bytes_str(user),
                             .password = bytes_str(password),
                             .has_user = user != NULL,
                             .has_password = password != NULL,
                             .anonymous = s->user[0] == '\0'};
    return authenticator_check(a, &r, on_answer, s, tag);
}

/* One question and its answer. hashes: how many it must cost. */
static void expect(struct authenticator *a, const char *user, const char *password, enum reason reason, unsigned hashes)
{
    struct sink s;
    uint64_t before = authenticator_hashes(a);
    sink_init(&s, user != NULL ? user : "");
    bool at_once = check(a, user, password, &s, 7);
    assert_int_equal(at_once, hashes == 0);
    wait_for(&s, 1);
    assert_int_equal(s.reasons[reason], 1);
    assert_int_equal(s.tags, 7);
    assert_false(s.other_user);
    assert_int_equal(authenticator_hashes(a) - before, hashes);
}

static void each_answer_and_what_it_costs(void **state)
{
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " CHEAP "\n[nopass]\n"), 1);
    (void)state;
    expect(a, "alice", "pass word", REASON_SUCCESS, 1);
    expect(a, "alice", "pass word", REASON_SUCCESS, 0); /* remembered */
    expect(a, "alice", "wrong", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "alice", "wrong", REASON_BAD_USER_NAME_OR_PASSWORD, 1); /* failures are not remembered */
    /* An unknown user, and one without a password, cost the same; the decoy's password opens nothing. */
    expect(a, "mallory", "wrong", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "mallory", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "nopass", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "nopass", "", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "*", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    /* Where the name ends and the password begins is part of what is remembered. */
    expect(a, "alicep", "ass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    /* Half of a pair. */
    expect(a, "alice", NULL, REASON_BAD_USER_NAME_OR_PASSWORD, 0);
    expect(a, NULL, "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 0);
    /* Anonymous, also where both were left empty. */
    expect(a, NULL, NULL, REASON_SUCCESS, 0);
    expect(a, "", "", REASON_SUCCESS, 0);
    expect(a, "", NULL, REASON_SUCCESS, 0);
    expect(a, NULL, "", REASON_SUCCESS, 0);
    struct sink s;
    sink_init(&s, "not anonymous");
    assert_true(check(a, NULL, NULL, &s, 0));
    assert_int_equal(s.reasons[REASON_NOT_AUTHORIZED], 1);
    authenticator_free(a);
}

/* mosquitto's password files may have its hash, and mosquitto lets nobody in with it. */
static void an_empty_password_opens_nothing(void **state)
{
    struct authenticator *a = authenticator_new(users("[empty]\npassword = " EMPTY "\n"), 1);
    (void)state;
    expect(a, "empty", "", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "empty", NULL, REASON_BAD_USER_NAME_OR_PASSWORD, 0);
    expect(a, "empty", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    authenticator_free(a);
}

/* What a certificate or shared key has shown stands; the name in CONNECT doesn't matter. */
static void known(struct authenticator *a, const char *identity, enum auth_password rule, const char *password,
                  enum reason reason)
{
    struct sink s;
    sink_init(&s, identity);
    struct auth_request r = {.user = bytes_str("mallory"),
                             .password = bytes_str(password),
                             .identity = bytes_str(identity),
                             .has_user = true,
                             .has_password = password != NULL,
                             .password_rule = rule};
    for (unsigned i = 0; i < 2; i++) {
        authenticator_check(a, &r, on_answer, &s, 1);
        wait_for(&s, i + 1);
        r.has_user = false;
    }
    if (s.reasons[reason] != 2)
        fail_msg("%s, rule %d, %s: not 0x%02x", identity, rule, password != NULL ? password : "no password", reason);
    assert_false(s.other_user);
}

static void identities_and_their_passwords(void **state)
{
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " CHEAP "\n[nopass]\n"), 1);
    (void)state;
    known(a, "alice", AUTH_PASSWORD_OPTIONAL, NULL, REASON_SUCCESS);
    known(a, "alice", AUTH_PASSWORD_OPTIONAL, "pass word", REASON_SUCCESS);
    known(a, "alice", AUTH_PASSWORD_OPTIONAL, "wrong", REASON_BAD_USER_NAME_OR_PASSWORD);
    known(a, "alice", AUTH_PASSWORD_REQUIRED, NULL, REASON_NOT_AUTHORIZED);
    known(a, "alice", AUTH_PASSWORD_REQUIRED, "pass word", REASON_SUCCESS);
    known(a, "alice", AUTH_PASSWORD_REQUIRED, "wrong", REASON_BAD_USER_NAME_OR_PASSWORD);
    known(a, "alice", AUTH_PASSWORD_NONE, NULL, REASON_SUCCESS);
    known(a, "alice", AUTH_PASSWORD_NONE, "wrong", REASON_SUCCESS);
    known(a, "nopass", AUTH_PASSWORD_OPTIONAL, NULL, REASON_SUCCESS);
    known(a, "nopass", AUTH_PASSWORD_OPTIONAL, "pass word", REASON_BAD_USER_NAME_OR_PASSWORD);
    known(a, "stranger", AUTH_PASSWORD_OPTIONAL, NULL, REASON_SUCCESS);
    known(a, "stranger", AUTH_PASSWORD_OPTIONAL, "pass word", REASON_BAD_USER_NAME_OR_PASSWORD);
    known(a, "stranger", AUTH_PASSWORD_REQUIRED, NULL, REASON_NOT_AUTHORIZED);
    authenticator_free(a);
}

/* Another file: what it does not know any more is forgotten at once, and what has begun ends as it began. */
static void users_are_replaced(void **state)
{
    enum { N = 20 };
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " CHEAP "\n"), 2);
    struct sink s;
    (void)state;
    expect(a, "alice", "pass word", REASON_SUCCESS, 1);
    authenticator_replace(a, users("[bob]\npassword = " CHEAP "\n"));
    expect(a, "alice", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    expect(a, "bob", "pass word", REASON_SUCCESS, 1);
    expect(a, "bob", "pass word", REASON_SUCCESS, 0);
    authenticator_replace(a, users("[alice]\npassword = " DEAR "\n"));
    sink_init(&s, "alice");
    for (unsigned i = 0; i < N; i++)
        check(a, "alice", "pass word", &s, i);
    struct users *held = authenticator_users(a);
    authenticator_replace(a, users_empty());
    assert_int_equal(users_count(held), 1);
    users_unref(held);
    wait_for(&s, N);
    assert_int_equal(s.reasons[REASON_SUCCESS], N);
    assert_false(s.other_user);
    /* It was not remembered behind the change. */
    expect(a, "alice", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    authenticator_free(a);
}

static void without_any_user_a_check_still_costs_a_hash(void **state)
{
    struct authenticator *a = authenticator_new(users_empty(), 1);
    (void)state;
    expect(a, "alice", "pass word", REASON_BAD_USER_NAME_OR_PASSWORD, 1);
    authenticator_free(a);
}

static void a_storm_of_equal_pairs_pays_once(void **state)
{
    enum { N = 5000 };
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " DEAR "\n"), 2);
    struct sink s;
    (void)state;
    sink_init(&s, "alice");
    for (unsigned i = 0; i < N; i++)
        check(a, "alice", "pass word", &s, i);
    wait_for(&s, N);
    assert_int_equal(s.reasons[REASON_SUCCESS], N);
    assert_int_equal(s.tags, (uint64_t)N * (N - 1) / 2);
    assert_false(s.other_user);
    assert_int_equal(authenticator_hashes(a), 1);
    authenticator_free(a);
}

static void a_full_queue_says_so_and_the_end_answers_everyone(void **state)
{
    enum { N = 1100 };
    size_t before = mem_in_use();
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " DEAR "\n"), 1);
    struct sink s;
    unsigned at_once = 0;
    (void)state;
    sink_init(&s, "alice");
    for (unsigned i = 0; i < N; i++) {
        char password[16];
        snprintf(password, sizeof password, "%u", i);
        at_once += check(a, "alice", password, &s, 1);
    }
    assert_true(at_once >= N - 1024 - 20 && at_once <= N - 1024);
    assert_true(s.reasons[REASON_SERVER_BUSY] >= at_once);
    authenticator_free(a);
    assert_int_equal(s.answers, N);
    assert_int_equal(s.tags, N);
    assert_int_equal(s.reasons[REASON_SERVER_BUSY], at_once);
    assert_true(s.reasons[REASON_SERVER_UNAVAILABLE] > 900);
    assert_int_equal(s.reasons[REASON_SUCCESS], 0);
    assert_true(mem_in_use() <= before + 128 * 1024);
}

static void large_strangers_do_not_fill_the_memory(void **state)
{
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " DEAR "\n"), 1);
    char *password = malloc(65536);
    struct sink s;
    (void)state;
    sink_init(&s, "x");
    memset(password, 'x', 65535);
    password[65535] = '\0';
    for (unsigned i = 0; i < 400; i++) {
        snprintf(password, 16, "%u", i);
        password[strlen(password)] = 'x';
        check(a, "x", password, &s, 0);
    }
    assert_true(s.reasons[REASON_SERVER_BUSY] >= 100);
    authenticator_free(a);
    assert_int_equal(s.answers, 400);
    free(password);
}

struct asker {
    struct authenticator *a;
    struct sink *s;
    unsigned number;
};

static void *ask(void *arg)
{
    struct asker *k = arg;
    for (unsigned i = 0; i < 400; i++) {
        unsigned n = (i * 7 + k->number) % 8;
        check(k->a, "alice", n == 0 ? "pass word" : n < 4 ? "wrong" : "pass word ", k->s, 1);
    }
    return NULL;
}

static void from_many_threads_at_once(void **state)
{
    enum { N = 4 };
    struct authenticator *a = authenticator_new(users("[alice]\npassword = " CHEAP "\n"), 3);
    struct sink s;
    struct asker askers[N];
    pthread_t threads[N];
    (void)state;
    sink_init(&s, "alice");
    for (unsigned i = 0; i < N; i++) {
        askers[i] = (struct asker){a, &s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
    }
    for (unsigned i = 0; i < N; i++)
        pthread_join(threads[i], NULL);
    wait_for(&s, N * 400);
    assert_int_equal(s.reasons[REASON_SUCCESS], N * 50);
    assert_int_equal(s.reasons[REASON_BAD_USER_NAME_OR_PASSWORD], N * 350);
    assert_false(s.other_user);
    authenticator_free(a);
}

static void more_pairs_than_are_remembered_still_work(void **state)
{
    enum { N = 300 };
    char *text = malloc(N * 160), *at = text;
    (void)state;
    for (int i = 0; i < N; i++)
        at += sprintf(at, "[u%d]\npassword = " CHEAP "\n", i);
    struct authenticator *a = authenticator_new(users(text), 1);
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < N; i++) {
            char name[16];
            struct sink s;
            snprintf(name, sizeof name, "u%d", i);
            sink_init(&s, name);
            check(a, name, "pass word", &s, 0);
            wait_for(&s, 1);
            assert_int_equal(s.reasons[REASON_SUCCESS], 1);
            assert_false(s.other_user);
        }
    }
    /* Nearly all were remembered; which ones lost their place depends on the key. */
    assert_in_range(authenticator_hashes(a), N, N + N / 4);
    authenticator_free(a);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_and_what_it_costs),
        cmocka_unit_test(an_empty_password_opens_nothing),
        cmocka_unit_test(identities_and_their_passwords),
        cmocka_unit_test(users_are_replaced),
        cmocka_unit_test(without_any_user_a_check_still_costs_a_hash),
        cmocka_unit_test(a_storm_of_equal_pairs_pays_once),
        cmocka_unit_test(a_full_queue_says_so_and_the_end_answers_everyone),
        cmocka_unit_test(large_strangers_do_not_fill_the_memory),
        cmocka_unit_test(from_many_threads_at_once),
        cmocka_unit_test(more_pairs_than_are_remembered_still_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
