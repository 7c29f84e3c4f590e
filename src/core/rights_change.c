/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Rights of those who are here already, when the users are others. The authoriser changes first, then the broker's
 * number of rights, and then each shard is walked. So whoever asked for its rights before the change and gets its
 * session behind the walk is known by the number that it carries, and asks once more.
 */
#include "core_private.h"

#define SLICE 1024u /* sessions at a time: other work of the loop goes on between */

void broker_rights_changed(struct broker *b)
{
    atomic_fetch_add(&b->rights_number, 1);
}

static struct rights *ask(const struct shard *s, enum rights_holder holder, struct bytes user)
{
    return s->env.rights != NULL ? s->env.rights(s->env.ctx, holder, user) : NULL;
}

static enum rights_holder holder_of(const struct client *c)
{
    return c->identified ? RIGHTS_OF_IDENTITY : RIGHTS_OF_LOGIN;
}

bool connect_rights_stand(struct client *c)
{
    if (c->shard->env.rights == NULL || c->wait->rights_number == atomic_load(&c->shard->b->rights_number))
        return true;
    struct rights *fresh = ask(c->shard, holder_of(c), rights_user(c->rights));
    if (fresh == NULL)
        return false;
    rights_unref(c->rights);
    c->rights = fresh;
    return true;
}

/* Whoever has no right to be here any more, has no right to anything from this moment on. */
static void renew(struct session *n)
{
    struct client *c = n->client != NULL && n->client->state == CLIENT_UP ? n->client : NULL;
    struct bytes user = rights_user(n->rights);
    struct rights *fresh = ask(n->shard, c != NULL ? holder_of(c) : RIGHTS_OF_ABSENT, user);
    bool gone = fresh == NULL;
    if (gone)
        fresh = rights_new(user, NULL, 0, false);
    rights_unref(n->rights);
    n->rights = fresh;
    if (c == NULL)
        return;
    rights_unref(c->rights);
    c->rights = rights_ref(fresh);
    if (gone)
        client_refuse_hint(c, REASON_NOT_AUTHORIZED, "its user is not in the users file any more",
                           "'sotto passwd USERS-FILE NAME' and SIGHUP to the broker let it in again");
}

bool shard_renew_rights(struct shard *s, uint32_t *at, msec now)
{
    s->now = now;
    uint32_t end = s->sessions.n - *at > SLICE ? *at + SLICE : s->sessions.n;
    for (; *at < end; ++*at) {
        if (s->sessions.v[*at].object != NULL)
            renew(s->sessions.v[*at].object);
    }
    return *at < s->sessions.n;
}
