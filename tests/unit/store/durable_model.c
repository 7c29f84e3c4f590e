/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "durable_model.h"

#include <stdlib.h>

#define KEYS 4096
#define SESSIONS 3
#define FILTERS 6
#define TOPICS 6
#define MOST_OPS 64

enum what { ROW, FILTER, RECEIVED, TOPIC };

struct op {
    unsigned shard;
    uint64_t number; /* 0: from before the restart */
    unsigned value;  /* 0: not there */
    bool failed, taken_back;
};

struct key {
    enum what what;
    unsigned shard, session, id; /* a row that is given has session 0, and its number for that is its own again */
    struct op ops[MOST_OPS];
    unsigned ops_n;
};

struct model {
    struct harness *h;
    uint64_t seed;
    struct key *keys;
    size_t keys_n;
    unsigned rows, values;
    uint64_t messages;
    uint16_t packet_id;
    bool begun; /* this run has its sessions; the last one may not have stored them */
};

struct model *model_new(struct harness *h, uint64_t seed)
{
    struct model *m = calloc(1, sizeof(*m));
    m->h = h;
    m->seed = seed;
    m->keys = calloc(KEYS, sizeof(*m->keys));
    return m;
}

void model_free(struct model *m)
{
    free(m->keys);
    free(m);
}

uint64_t model_draw(struct model *m, uint64_t n)
{
    m->seed = m->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (m->seed >> 33) % n;
}

static struct key *key_new(struct model *m, enum what what, unsigned shard, unsigned session, unsigned id)
{
    assert_true(m->keys_n < KEYS);
    struct key *k = &m->keys[m->keys_n++];
    *k = (struct key){.what = what, .shard = shard, .session = session, .id = id};
    return k;
}

static struct key *key_get(struct model *m, enum what what, unsigned shard, unsigned session, unsigned id)
{
    for (size_t i = 0; i < m->keys_n; i++) {
        struct key *k = &m->keys[i];
        if (k->what == what && k->shard == shard && k->session == session && k->id == id)
            return k;
    }
    return key_new(m, what, shard, session, id);
}

static unsigned value_of(const struct key *k)
{
    return k->ops_n > 0 ? k->ops[k->ops_n - 1].value : 0;
}

static void note(struct key *k, uint64_t number, unsigned value, bool taken_back)
{
    if (k->ops_n == MOST_OPS) /* only the newer ones matter in a run as short as ours */
        memmove(&k->ops[0], &k->ops[1], --k->ops_n * sizeof(k->ops[0]));
    k->ops[k->ops_n++] = (struct op){.shard = k->shard, .number = number, .value = value, .taken_back = taken_back};
}

static struct key *some_key(struct model *m, enum what what)
{
    if (m->keys_n == 0)
        return NULL;
    size_t from = model_draw(m, m->keys_n);
    for (size_t i = 0; i < m->keys_n; i++) {
        struct key *k = &m->keys[(from + i) % m->keys_n];
        if (k->what == what && value_of(k) != 0)
            return k;
    }
    return NULL;
}

static void new_row(struct model *m, unsigned shard)
{
    static char payload[20000];
    size_t n = model_draw(m, 4) == 0 ? model_draw(m, sizeof(payload) - 1) : 10;
    memset(payload, 'x', sizeof(payload));
    payload[n] = '\0';
    uint64_t message = model_draw(m, 2) == 0 ? ++m->messages * SHARDS + shard : 0;
    unsigned copies = message != 0 ? 1 + (unsigned)model_draw(m, SESSIONS) : 1;
    for (unsigned i = 1; i <= copies; i++) {
        unsigned row = ++m->rows;
        struct key *k = key_new(m, ROW, shard, i, row);
        note(k, put_row(m->h, shard, i, row, message, payload), 1, false);
    }
}

static void old_row(struct model *m)
{
    struct key *k = some_key(m, ROW);
    if (k == NULL)
        return;
    if (k->session == 0) {
        k->shard = (unsigned)model_draw(m, SHARDS);
        note(k, put_given_done(m->h, k->shard, k->id), 0, false);
        return;
    }
    if (model_draw(m, 3) == 0)
        put_state(m->h, k->shard, k->session, STORE_SENT, k->id, 9);
    uint64_t number = put_state(m->h, k->shard, k->session, STORE_DONE, k->id, 0);
    note(k, number, 0, number == 0);
}

/* Goes from one session to another: it is there all the time. */
static void move_row(struct model *m)
{
    struct key *k = some_key(m, ROW);
    if (k == NULL)
        return;
    if (k->session != 0) {
        put_move(m->h, k->shard, k->session, STORE_GIVE, k->id, k->id);
        turn(m->h, k->shard); /* before others hear of it */
        k->session = 0;
    }
    if (model_draw(m, 3) == 0)
        return;
    k->shard = (unsigned)model_draw(m, SHARDS);
    k->session = 1 + (unsigned)model_draw(m, SESSIONS);
    put_move(m->h, k->shard, k->session, STORE_TAKE, k->id, k->id);
}

static void filter(struct model *m, unsigned shard)
{
    unsigned session = 1 + (unsigned)model_draw(m, SESSIONS), id = (unsigned)model_draw(m, FILTERS);
    struct key *k = key_get(m, FILTER, shard, session, id);
    char text[32];
    bool add = model_draw(m, 2) == 0;
    snprintf(text, sizeof(text), "f%u.%u.%u", shard, session, id);
    note(k, put_filter(m->h, shard, session, add ? STORE_SUBSCRIBE : STORE_UNSUBSCRIBE, text), add, false);
}

static void received(struct model *m, unsigned shard)
{
    struct key *k = model_draw(m, 2) == 0 ? some_key(m, RECEIVED) : NULL;
    if (k != NULL) {
        uint64_t number = put_received(m->h, k->shard, k->session, STORE_RECEIVED_DONE, (uint16_t)k->id, 0);
        note(k, number, 0, number == 0);
        return;
    }
    uint16_t id = ++m->packet_id;
    k = key_new(m, RECEIVED, shard, 1, id);
    note(k, put_received(m->h, shard, 1, STORE_RECEIVED, id, 0), 1, false);
}

static void retained(struct model *m, unsigned shard)
{
    unsigned id = (unsigned)model_draw(m, TOPICS), value = model_draw(m, 4) > 0 ? ++m->values : 0;
    struct key *k = key_get(m, TOPIC, shard, 0, id);
    char topic[32], payload[16];
    snprintf(topic, sizeof(topic), "r%u.%u", shard, id);
    snprintf(payload, sizeof(payload), "%u", value);
    note(k, put_retained(m->h, shard, topic, value > 0 ? payload : "", 1), value, false);
}

void model_step(struct model *m)
{
    unsigned shard = (unsigned)model_draw(m, SHARDS);
    uint64_t kind = model_draw(m, 11);
    for (unsigned i = 1; !m->begun && i <= SESSIONS; i++)
        for (unsigned s = 0; s < SHARDS; s++)
            put_session(m->h, s, i, true);
    m->begun = true;
    if (kind < 4)
        new_row(m, shard);
    else if (kind < 6)
        old_row(m);
    else if (kind < 7)
        filter(m, shard);
    else if (kind < 8)
        received(m, shard);
    else if (kind < 10)
        retained(m, shard);
    else
        move_row(m);
    if (model_draw(m, 4) == 0)
        turn(m->h, (unsigned)model_draw(m, SHARDS));
}

/* ---------------------------------------------------------------- checking */

static unsigned found_value(const struct model *m, const struct key *k)
{
    char text[64];
    const char *at;
    switch (k->what) {
    case ROW:
        snprintf(text, sizeof(text), "  row %u ", k->id);
        return strstr(m->h->dump, text) != NULL;
    case FILTER:
        snprintf(text, sizeof(text), "  filter f%u.%u.%u ", k->shard, k->session, k->id);
        return strstr(m->h->dump, text) != NULL;
    case RECEIVED:
        snprintf(text, sizeof(text), "  received %u\n", k->id);
        return strstr(m->h->dump, text) != NULL;
    case TOPIC:
        snprintf(text, sizeof(text), "retained r%u.%u::", k->shard, k->id);
        at = strstr(m->h->dump, text);
        return at != NULL ? (unsigned)strtoul(at + strlen(text), NULL, 10) : 0;
    }
    return 0;
}

/* Where the row is now: the crash may have been before or behind a move. */
static void locate(const struct model *m, struct key *k)
{
    char text[64];
    snprintf(text, sizeof(text), "  row %u ", k->id);
    const char *row = strstr(m->h->dump, text);
    if (strstr(row + 1, text) != NULL)
        fail_msg("row %u is there twice", k->id);
    k->session = 0;
    for (const char *at = m->h->dump; at != NULL && at < row; at = strchr(at, '\n') + 1) {
        if (strncmp(at, "given\n", 6) == 0)
            k->session = 0;
        else
            (void)sscanf(at, "session c%u.%u ", &k->shard, &k->session);
    }
}

static bool was_answered(const struct model *m, const struct op *o, bool strict)
{
    const struct told *t = &m->h->before[o->shard];
    if (o->taken_back)
        return false;
    if (strict && o->value == 0)
        return true;
    if (o->number > t->upto)
        return false;
    for (unsigned i = 0; i < t->failures_n; i++)
        if (o->number >= t->failures[i].from && o->number <= t->failures[i].to)
            return false;
    return true;
}

static void check_key(const struct model *m, const struct key *k, bool strict)
{
    unsigned found = found_value(m, k), first = k->ops_n;
    while (first > 0 && !was_answered(m, &k->ops[first - 1], strict))
        first--;
    bool good = first == 0 && found == 0;
    for (unsigned i = first > 0 ? first - 1 : 0; i < k->ops_n; i++)
        good = good || k->ops[i].value == found;
    if (!good)
        fail_msg("kind %d %u.%u.%u: found %u, answered for as %u by %llu (answers up to %llu)", k->what, k->shard,
                 k->session, k->id, found, first > 0 ? k->ops[first - 1].value : 0,
                 (unsigned long long)(first > 0 ? k->ops[first - 1].number : 0),
                 (unsigned long long)m->h->before[k->shard].upto);
}

void model_check(struct model *m, bool strict)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->keys_n; i++) {
        struct key *k = &m->keys[i];
        check_key(m, k, strict);
        unsigned found = found_value(m, k);
        k->ops_n = 0;
        if (k->what == ROW && found != 0)
            locate(m, k);
        note(k, 0, found, false);
        if (found != 0)
            m->keys[kept++] = *k;
    }
    m->keys_n = kept;
    m->begun = false;
}
