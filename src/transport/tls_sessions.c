/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tls_sessions_private.h"

#include <string.h>

#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"
#include "sotto/base/list.h"
#include "sotto/base/mem.h"
#include "sotto/base/rwlock.h"

#define KEY (SESSION_POLICY + SESSION_ID)

struct session {
    struct list age;
    uint64_t hash, expires;
    uint8_t resumptions;
    uint8_t key[KEY]; /* the policy, then the id */
    size_t n;
    uint8_t p[];
};

struct tls_sessions {
    struct rwlock lock;
    struct hash_key hash;
    struct hmap map;
    struct list by_age; /* the oldest first */
    size_t most;
};

struct tls_sessions *tls_sessions_new(size_t most)
{
    struct tls_sessions *s = mem_alloc(sizeof(*s));
    rwlock_init(&s->lock);
    hash_key_draw(&s->hash);
    hmap_init(&s->map);
    list_init(&s->by_age);
    s->most = most;
    return s;
}

static bool is_it(const void *entry, struct bytes key)
{
    return memcmp(((const struct session *)entry)->key, key.p, KEY) == 0;
}

static void forget(struct tls_sessions *s, struct session *one)
{
    hmap_remove(&s->map, one->hash, one);
    list_remove(&one->age);
    explicit_bzero(one->p, one->n);
    mem_free(one);
}

static struct session *oldest(struct tls_sessions *s)
{
    return list_empty(&s->by_age) ? NULL : container_of(s->by_age.next, struct session, age);
}

void tls_sessions_free(struct tls_sessions *s)
{
    if (s == NULL)
        return;
    for (struct session *one; (one = oldest(s)) != NULL;)
        forget(s, one);
    hmap_fini(&s->map);
    rwlock_fini(&s->lock);
    mem_free(s);
}

static struct bytes make_key(uint8_t out[KEY], const uint8_t *policy, const uint8_t *id)
{
    memcpy(out, policy, SESSION_POLICY);
    memcpy(out + SESSION_POLICY, id, SESSION_ID);
    return bytes_of(out, KEY);
}

void tls_sessions_put(struct tls_sessions *s, const uint8_t policy[SESSION_POLICY], const uint8_t id[SESSION_ID],
                      const uint8_t *p, size_t n, uint64_t expires)
{
    struct session *one = n <= SESSION_BYTES_MAX ? mem_try_alloc(sizeof(*one) + n) : NULL;
    if (one == NULL)
        return;
    *one = (struct session){.expires = expires, .n = n};
    memcpy(one->p, p, n);
    struct bytes key = make_key(one->key, policy, id);
    one->hash = hash_bytes(&s->hash, key);
    list_init(&one->age);
    rwlock_write(&s->lock);
    struct session *same = hmap_get(&s->map, one->hash, key, is_it);
    if (same != NULL)
        forget(s, same);
    else if (s->map.count >= s->most)
        forget(s, oldest(s));
    if (hmap_add(&s->map, one->hash, one))
        list_push_back(&s->by_age, &one->age);
    else
        mem_free(one);
    rwlock_unlock(&s->lock);
}

size_t tls_sessions_take_up(struct tls_sessions *s, const uint8_t policy[SESSION_POLICY], const uint8_t id[SESSION_ID],
                            uint64_t now, uint8_t limit, uint8_t out[SESSION_BYTES_MAX], uint8_t *resumptions)
{
    uint8_t room[KEY];
    struct bytes key = make_key(room, policy, id);
    uint64_t hash = hash_bytes(&s->hash, key);
    size_t n = 0;
    rwlock_write(&s->lock);
    struct session *one = hmap_get(&s->map, hash, key, is_it);
    if (one != NULL && (now >= one->expires || one->resumptions >= limit)) {
        forget(s, one);
    } else if (one != NULL) {
        *resumptions = ++one->resumptions;
        n = one->n;
        memcpy(out, one->p, n);
    }
    rwlock_unlock(&s->lock);
    return n;
}

size_t tls_sessions_count(struct tls_sessions *s)
{
    rwlock_read(&s->lock);
    size_t n = s->map.count;
    rwlock_unlock(&s->lock);
    return n;
}
