/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shared subscriptions: a group is a name and a filter, and each message that the filter matches goes to one member.
 *
 * Who may be chosen is an immutable, counted list of the group's members (struct share_members): a change of the group
 * makes another list, so that a loop's cache of matches holds lists and chooses from them without a lock. How a member
 * fares is said by its hint, a few flags that its session sets while it goes along and that everybody reads. A hint is
 * no promise: the member's owner finds out, and passes a message on that it can't take.
 *
 *   index ── node of the filter ── groups ── list of members ── hint of each   (set by its session, on its own loop)
 *                                               ▲
 *                                               └── matches of a topic, in the caches of all loops
 */
#pragma once

#include "sotto/core/index.h"

/* What a session's hint says of it. */
enum {
    SHARE_ONLINE = 1,  /* it has a connection that is up */
    SHARE_READY = 2,   /* and a message would leave at once: nothing waits, window and output have room */
    SHARE_ROOM = 4,    /* its queue can take another message */
    SHARE_DURABLE = 8, /* it outlives its connection, and what is queued for it does too */
};

/* One a session; counted, as lists of members may outlive it. */
struct share_hint {
    _Atomic uint32_t refs, flags;
};

/* With no flag set. NULL without memory. */
struct share_hint *share_hint_new(void);
struct share_hint *share_hint_ref(struct share_hint *h);
/* NULL is fine. */
void share_hint_unref(struct share_hint *h);
/* By the session's own thread only. Writes nothing where nothing changes. */
static inline void share_hint_set(struct share_hint *h, unsigned flags)
{
    if (atomic_load_explicit(&h->flags, memory_order_relaxed) != flags)
        atomic_store_explicit(&h->flags, flags, memory_order_relaxed);
}

/* As long as the caller's session is a member, or it has a list. */
struct bytes share_name(const struct share_group *g);
struct bytes share_filter(const struct share_group *g);
/* The same as a client subscribes to it: $share/NAME/FILTER. */
struct bytes share_text(const struct share_members *m);

/* From struct matches or index_share; any thread. */
struct share_members *share_members_ref(struct share_members *m);
/* NULL is fine. The index may be gone by then. */
void share_members_unref(struct share_members *m);
uint32_t share_members_count(const struct share_members *m);
/* A member is stored, or one was that has left. */
bool share_members_durable(const struct share_members *m);

/* A message's way round a group. To be carried with it to the loop of the member that was chosen. */
struct share_turn {
    struct match to; /* the member, and what it asked for; no_local is never set */
    uint64_t given;  /* 0 from share_pick. Handed on by a session that was stored: its number in the store, see store.h;
                        else 0 */
    uint32_t group;  /* its number, for index_share */
    uint32_t tried;  /* how many were chosen so far, this one counted */
    uint16_t text_n; /* bytes of share_text: what is stored with the message */
    uint8_t rank;    /* how well its hint spoke for it: who is next need not be better, or all are asked each time */
    bool last;       /* nobody seems to have room: it is not to be passed on for want of room, only if it is gone */
};

/*
 * Chooses who gets a message that has come in with this QoS. From the group's cursor on it is the first that
 *
 *   is ready,   else is online with room,   else is durable with room (QoS 1 and 2),   else is online,   else durable;
 *
 * in a long list that has one online with room, only the first ones are asked whether they are ready. Ends where its
 * cursor is: each in turn, and with all ready exactly so. False: nobody can take it (QoS 0, all are away).
 */
bool share_pick(const struct share_members *m, uint8_t qos, struct share_turn *t);
/*
 * Chooses again: t->to can't take it, and is not chosen. gone: its session has ended, or left the group; else it is
 * there and has no room, and only one that has room is better. False, and t unchanged: there is none, or the message
 * has been round the group; one that is not gone then deals with it as its limits say.
 */
bool share_next(const struct share_members *m, uint8_t qos, bool gone, struct share_turn *t);
/* The same by t->group, from the members as of now. False too when the group is no more. Takes the read lock. */
bool share_forward(struct index *x, uint8_t qos, bool gone, struct share_turn *t);
