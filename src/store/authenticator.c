/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A request becomes a digest: HMAC-SHA256, under a key drawn at birth, of name and password with the name's length in
 * front. Digests are all that is compared: a pair is remembered as one, and a check in progress is found by one. So no
 * password outlives its check, and what lies in memory is of no use to whoever reads it later.
 *
 * Only good pairs are remembered. Wrong ones come in any number, so a table of them would only hold the
 * latest; they pay for a hash each time, and equal ones at the same time share it like good ones do.
 *
 * One mutex guards queue, jobs in progress and remembered pairs; hashes are computed outside it, and answers are given
 * outside it.
 */
#include <wolfssl/options.h>

#include "sotto/store/authenticator.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <wolfssl/wolfcrypt/hmac.h>

#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "sotto/store/password.h"

#define QUEUE_MAX 1024
#define QUEUE_BYTES_MAX (16u << 20) /* of names and passwords: strangers may send 128 KiB each */
#define WAITERS_MAX 65536
#define THREADS_MAX 64
#define STACK_SIZE (512 * 1024)
#define BUCKETS 256 /* of checks in progress */
#define WAYS 4      /* of the table of remembered pairs */
#define SETS_MAX 16384

struct digest {
    uint8_t b[WC_SHA256_DIGEST_SIZE];
};

struct waiter {
    struct waiter *next;
    auth_answer answer;
    void *arg;
    uint64_t tag;
};

/* One computation, and all that wait for it. */
struct job {
    struct job *next_queued, *next_in_bucket;
    struct digest digest;
    struct waiter *waiters, **last_waiter;
    struct users *users;         /* by which it is computed */
    struct bytes name, password; /* into data */
    uint8_t data[];
};

struct authenticator {
    uint8_t key[32];
    _Atomic uint64_t hashes;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t work;
    struct users *users; /* immutable; a reference */
    bool ending;
    struct job *queue, **queue_last;
    size_t queued, queued_bytes, waiting;
    struct job *in_progress[BUCKETS]; /* queued or being computed, by digest */
    struct digest *remembered;        /* sets times WAYS; all zero: free */
    size_t sets;
    unsigned next_way;

    unsigned threads_n;
    pthread_t threads[THREADS_MAX];
};

/* ----------------------------------------------------------------- digests */

static void digest_of(const struct authenticator *a, struct bytes name, struct bytes password, struct digest *out)
{
    static const uint8_t none[1];
    uint8_t head[8];
    Hmac h;
    for (unsigned i = 0; i < sizeof head; i++)
        head[i] = (uint8_t)((uint64_t)name.n >> (8 * i));
    bool good = wc_HmacInit(&h, NULL, INVALID_DEVID) == 0 && wc_HmacSetKey(&h, WC_SHA256, a->key, sizeof a->key) == 0 &&
                wc_HmacUpdate(&h, head, sizeof head) == 0 &&
                wc_HmacUpdate(&h, name.n > 0 ? name.p : none, (word32)name.n) == 0 &&
                wc_HmacUpdate(&h, password.n > 0 ? password.p : none, (word32)password.n) == 0 &&
                wc_HmacFinal(&h, out->b) == 0;
    wc_HmacFree(&h);
    /* Without a digest nothing may be taken for something else: a fresh random one equals none. */
    if (!good)
        random_bytes(out->b, sizeof out->b);
}

static size_t number_of(const struct digest *d)
{
    uint32_t n;
    memcpy(&n, d->b, sizeof n);
    return n;
}

static bool same(const struct digest *a, const struct digest *b)
{
    return bytes_equal_secret(a->b, b->b, sizeof a->b);
}

/* With the lock held. */
static bool is_remembered(const struct authenticator *a, const struct digest *d)
{
    const struct digest *set = &a->remembered[(number_of(d) % a->sets) * WAYS];
    bool found = false;
    for (unsigned i = 0; i < WAYS; i++)
        found |= same(&set[i], d);
    return found;
}

/* With the lock held. A full set loses one of its pairs, in turn: that one pays for a hash again. */
static void remember(struct authenticator *a, const struct digest *d)
{
    static const struct digest none;
    struct digest *set = &a->remembered[(number_of(d) % a->sets) * WAYS];
    if (is_remembered(a, d))
        return;
    for (unsigned i = 0; i < WAYS; i++) {
        if (same(&set[i], &none)) {
            set[i] = *d;
            return;
        }
    }
    set[a->next_way++ % WAYS] = *d;
}

/* Twice the room for every user with one password, so that sets are seldom full. */
static void make_room(struct authenticator *a)
{
    for (a->sets = 16; a->sets * WAYS < users_count(a->users) * 2 && a->sets < SETS_MAX;)
        a->sets *= 2;
    a->remembered = mem_alloc(a->sets * WAYS * sizeof *a->remembered);
}

static void forget_all(struct authenticator *a)
{
    bytes_wipe(a->remembered, a->sets * WAYS * sizeof *a->remembered);
    mem_free(a->remembered);
}

/* -------------------------------------------------------------------- jobs */

static struct job **bucket_of(struct authenticator *a, const struct digest *d)
{
    return &a->in_progress[number_of(d) % BUCKETS];
}

static struct job *find_job(struct authenticator *a, const struct digest *d)
{
    for (struct job *j = *bucket_of(a, d); j != NULL; j = j->next_in_bucket) {
        if (j->users == a->users && same(&j->digest, d))
            return j;
    }
    return NULL;
}

static struct job *job_new(struct users *users, const struct auth_request *r, const struct digest *d)
{
    struct job *j = mem_try_alloc(sizeof *j + r->user.n + r->password.n);
    if (j == NULL)
        return NULL;
    j->users = users_ref(users);
    j->digest = *d;
    j->last_waiter = &j->waiters;
    j->name = bytes_of(j->data, r->user.n);
    j->password = bytes_of(j->data + r->user.n, r->password.n);
    if (r->user.n > 0)
        memcpy(j->data, r->user.p, r->user.n);
    if (r->password.n > 0)
        memcpy(j->data + r->user.n, r->password.p, r->password.n);
    return j;
}

static void job_free(struct job *j)
{
    users_unref(j->users);
    bytes_wipe(j->data, j->name.n + j->password.n);
    mem_free(j);
}

static void enqueue(struct authenticator *a, struct job *j)
{
    struct job **bucket = bucket_of(a, &j->digest);
    j->next_in_bucket = *bucket;
    *bucket = j;
    *a->queue_last = j;
    a->queue_last = &j->next_queued;
    a->queued++;
    a->queued_bytes += j->name.n + j->password.n;
    pthread_cond_signal(&a->work);
}

static struct job *dequeue(struct authenticator *a)
{
    struct job *j = a->queue;
    if (j == NULL)
        return NULL;
    a->queue = j->next_queued;
    if (a->queue == NULL)
        a->queue_last = &a->queue;
    a->queued--;
    a->queued_bytes -= j->name.n + j->password.n;
    return j;
}

/* From now on nobody can join it. */
static void leave_bucket(struct authenticator *a, const struct job *j)
{
    struct job **at = bucket_of(a, &j->digest);
    while (*at != j)
        at = &(*at)->next_in_bucket;
    *at = j->next_in_bucket;
}

/* Without the lock. Frees the job. */
static void answer_all(struct authenticator *a, struct job *j, enum reason reason)
{
    size_t n = 0;
    for (struct waiter *w = j->waiters, *next; w != NULL; w = next) {
        next = w->next;
        w->answer(w->arg, w->tag, reason, reason == REASON_SUCCESS ? users_rights(j->users, j->name) : NULL);
        mem_free(w);
        n++;
    }
    pthread_mutex_lock(&a->lock);
    a->waiting -= n;
    pthread_mutex_unlock(&a->lock);
    job_free(j);
}

/* ----------------------------------------------------------------- threads */

/* An empty password protects nothing: it is never right, not even where a file has its hash. */
static bool compute(struct authenticator *a, const struct job *j)
{
    const char *hash = users_password(j->users, j->name);
    const char *decoy = hash == NULL ? users_decoy(j->users, j->name) : NULL;
    atomic_fetch_add_explicit(&a->hashes, 1, memory_order_relaxed);
    bool good = password_verify(j->password, hash != NULL ? hash : decoy);
    return good && hash != NULL && j->password.n > 0;
}

static void *work(void *arg)
{
    struct authenticator *a = arg;
    pthread_mutex_lock(&a->lock);
    for (;;) {
        struct job *j = dequeue(a);
        if (j == NULL && a->ending)
            break;
        if (j == NULL) {
            pthread_cond_wait(&a->work, &a->lock);
            continue;
        }
        enum reason reason = REASON_SERVER_UNAVAILABLE;
        if (!a->ending) {
            pthread_mutex_unlock(&a->lock);
            reason = compute(a, j) ? REASON_SUCCESS : REASON_BAD_USER_NAME_OR_PASSWORD;
            pthread_mutex_lock(&a->lock);
        }
        leave_bucket(a, j);
        if (reason == REASON_SUCCESS && j->users == a->users)
            remember(a, &j->digest);
        pthread_mutex_unlock(&a->lock);
        answer_all(a, j, reason);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* Signals are for the loops. */
static void start_threads(struct authenticator *a, unsigned threads)
{
    pthread_attr_t attr;
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    while (a->threads_n < threads && pthread_create(&a->threads[a->threads_n], &attr, work, a) == 0)
        a->threads_n++;
    pthread_attr_destroy(&attr);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct authenticator *authenticator_new(struct users *users, unsigned threads)
{
    struct authenticator *a = mem_alloc(sizeof *a);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = (unsigned)(cores > 0 ? cores + 1 : 2) / 2;
    a->users = users;
    random_bytes(a->key, sizeof a->key);
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    a->queue_last = &a->queue;
    make_room(a);
    start_threads(a, threads < THREADS_MAX ? threads : THREADS_MAX);
    return a;
}

void authenticator_free(struct authenticator *a)
{
    if (a == NULL)
        return;
    pthread_mutex_lock(&a->lock);
    a->ending = true;
    pthread_cond_broadcast(&a->work);
    pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->threads_n; i++)
        pthread_join(a->threads[i], NULL);
    assert(a->queued == 0 && a->waiting == 0);
    pthread_cond_destroy(&a->work);
    pthread_mutex_destroy(&a->lock);
    forget_all(a);
    users_unref(a->users);
    bytes_wipe(a, sizeof *a);
    mem_free(a);
}

/* --------------------------------------------------------------- questions */

/* With the lock held: REASON_SUCCESS: known to be good; REASON_CONTINUE_AUTHENTICATION: the waiter was taken; else
 * refused. */
static enum reason join_or_start(struct authenticator *a, const struct auth_request *r, const struct digest *d,
                                 struct waiter *w)
{
    if (is_remembered(a, d))
        return REASON_SUCCESS;
    if (a->ending || a->threads_n == 0)
        return REASON_SERVER_UNAVAILABLE;
    struct job *j = find_job(a, d);
    bool full = a->queued >= QUEUE_MAX || a->queued_bytes + r->user.n + r->password.n > QUEUE_BYTES_MAX;
    if (a->waiting >= WAITERS_MAX || (j == NULL && full))
        return REASON_SERVER_BUSY;
    if (j == NULL) {
        j = job_new(a->users, r, d);
        if (j == NULL)
            return REASON_SERVER_BUSY;
        enqueue(a, j);
    }
    *j->last_waiter = w;
    j->last_waiter = &w->next;
    a->waiting++;
    return REASON_CONTINUE_AUTHENTICATION;
}

static bool check_pair(struct authenticator *a, const struct auth_request *r, auth_answer answer, void *arg,
                       uint64_t tag)
{
    struct digest d;
    struct waiter *w = mem_try_alloc(sizeof *w);
    if (w == NULL) {
        answer(arg, tag, REASON_SERVER_BUSY, NULL);
        return true;
    }
    *w = (struct waiter){NULL, answer, arg, tag};
    digest_of(a, r->user, r->password, &d);
    pthread_mutex_lock(&a->lock);
    enum reason reason = join_or_start(a, r, &d, w);
    struct users *users = users_ref(a->users);
    pthread_mutex_unlock(&a->lock);
    struct rights *rights = reason == REASON_SUCCESS ? users_rights(users, r->user) : NULL;
    users_unref(users);
    if (reason == REASON_CONTINUE_AUTHENTICATION)
        return false;
    mem_free(w);
    answer(arg, tag, reason, rights);
    return true;
}

static struct rights *identity_rights(struct authenticator *a, struct bytes identity)
{
    struct users *users = authenticator_users(a);
    struct rights *rights = users_identity_rights(users, identity);
    users_unref(users);
    return rights;
}

static struct rights *anonymous_rights(struct authenticator *a)
{
    struct users *users = authenticator_users(a);
    struct rights *rights = users_anonymous_rights(users);
    users_unref(users);
    return rights;
}

/* Who it is has been shown already; whether a password is wanted besides is the listener's business. */
static bool check_identity(struct authenticator *a, const struct auth_request *r, auth_answer answer, void *arg,
                           uint64_t tag)
{
    struct auth_request pair = *r;
    pair.user = r->identity;
    pair.has_user = true;
    if (r->has_password && r->password_rule != AUTH_PASSWORD_NONE)
        return check_pair(a, &pair, answer, arg, tag);
    if (r->password_rule == AUTH_PASSWORD_REQUIRED)
        answer(arg, tag, REASON_NOT_AUTHORIZED, NULL);
    else
        answer(arg, tag, REASON_SUCCESS, identity_rights(a, r->identity));
    return true;
}

bool authenticator_check(struct authenticator *a, const struct auth_request *r, auth_answer answer, void *arg,
                         uint64_t tag)
{
    /* Where a form was left empty, many clients send a name and a password of no length: none was given. */
    bool given = (r->has_user || r->has_password) && r->user.n + r->password.n > 0;
    if (r->identity.n > 0)
        return check_identity(a, r, answer, arg, tag);
    if (given && r->has_user && r->has_password)
        return check_pair(a, r, answer, arg, tag);
    if (given) /* half of a pair, for whatever name: never right */
        answer(arg, tag, REASON_BAD_USER_NAME_OR_PASSWORD, NULL);
    else if (r->anonymous)
        answer(arg, tag, REASON_SUCCESS, anonymous_rights(a));
    else
        answer(arg, tag, REASON_NOT_AUTHORIZED, NULL);
    return true;
}

struct users *authenticator_users(struct authenticator *a)
{
    pthread_mutex_lock(&a->lock);
    struct users *users = users_ref(a->users);
    pthread_mutex_unlock(&a->lock);
    return users;
}

void authenticator_replace(struct authenticator *a, struct users *users)
{
    pthread_mutex_lock(&a->lock);
    struct users *old = a->users;
    forget_all(a);
    a->users = users;
    make_room(a);
    pthread_mutex_unlock(&a->lock);
    users_unref(old);
}

uint64_t authenticator_hashes(const struct authenticator *a)
{
    return atomic_load_explicit(&a->hashes, memory_order_relaxed);
}
