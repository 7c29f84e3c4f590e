/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The structures of the core, for the files of the core only.
 *
 *   broker ─┬─ index, retained (shared, locked)        shard ─┬─ sessions by id and by handle
 *           └─ mail: one inbox per pair of shards             ├─ clients (one a connection)
 *                                                             └─ timers, pool, cache of matches, outgoing mail
 *
 *   client ◄──► session: a session outlives its client when its expiry is not 0; a client has its session from
 *   the moment CONNECT is accepted. Both belong to one shard, and only its thread touches them.
 */
#pragma once

#include <assert.h>

#include "sotto/base/heap.h"
#include "sotto/base/hmap.h"
#include "sotto/base/inbox.h"
#include "sotto/base/list.h"
#include "sotto/base/log.h"
#include "sotto/base/mem.h"
#include "sotto/base/rare.h"
#include "sotto/base/ring.h"
#include "sotto/codec/topic.h"
#include "sotto/core/index.h"
#include "sotto/core/retained.h"
#include "sotto/core/shard.h"
#include "sotto/core/share.h"
#include "sotto/core/store.h"

/* Output of one connection is filled up to here; what comes then waits in its session's queue. */
#define OUTPUT_HIGH (128u * 1024)
/* Payloads from here on are shared between their receivers, not copied for each. */
#define SHARE_FROM 1024u
/* A publisher isn't read while a shard that it sends to has so many bytes of mail waiting. */
#define MAIL_MARK (4u * 1024 * 1024)
/* Deliveries end at OUTPUT_HIGH; a peer whose answers bring it up to here, untaken, is not read until it takes some. */
#define OUTPUT_STOP (2 * OUTPUT_HIGH)
/* A peer whose answers wait for commits, and are so many bytes by now, is not read until some have left. */
#define GATE_STOP (1024u * 1024)
/* From here on the loop is asked to write before its turn ends. */
#define OUTPUT_HOT (64u * 1024)
/* A CONNECT up to this size costs nobody anything; of larger ones (long ids, wills) a shard holds so many at a time. */
#define CONNECT_SMALL (8u * 1024)
#define CONNECT_LARGE_AT_ONCE 16u
/* Four strings of 65,535 bytes, and properties. */
#define CONNECT_MAX (384u * 1024)
/* While more than this of a packet is outstanding, its bytes count for the keep-alive, not only its end. */
#define SLOW_PACKET 1024u
/* What a client of 5.0 may have unanswered here, and the most that we ever have unanswered there. */
#define RECEIVE_MAXIMUM 1000u
/* Topic aliases of a connection: how many a client may set, and the bytes of their topics in all; how many we set. */
#define ALIAS_IN_MAX 64u
#define ALIAS_IN_BYTES (64u * 1024)
#define ALIAS_OUT_MAX 32u
#define ALIAS_OUT_TOPIC 1024u /* a longer topic gets none: we keep what we set */
/* What a session's filters may take in all: so much for each subscription that it may have, and so much beside. A
 * filter counts with its length, in units, and a unit a level. */
#define FILTER_UNIT 64u
#define FILTER_UNITS 16u /* a kilobyte */
#define FILTERS_BESIDE 1024u
/* Properties of one packet, in bytes: one of full length, and more. */
#define PROPS_MAX (128u * 1024)
/* Expired retained messages are looked for so often, ms, and so many are deleted in one hold of the lock. */
#define EXPIRE_EVERY 1000u
#define EXPIRE_AT_ONCE 1000u
/* Slices of a walk over retained messages: nodes a hold of the lock, holds a turn. */
#define REPLAY_NODES 256u
#define REPLAY_SLICES 16u

/* The tag of a timer: what it is embedded in. */
enum { TIMER_CLIENT, TIMER_SESSION, TIMER_WILL, TIMER_RETAINED };

struct broker {
    struct limits limits;
    struct hash_key key;
    struct index *index;
    struct retained *retained;
    unsigned n;
    _Atomic uint32_t rights_number; /* of changes to the users, see rights_change.c */
    struct inbox *mail;             /* [from * n + to] */
    _Atomic bool *mail_awaited;     /* [from * n + to]: from holds publishers back until to has taken its mail */
    struct inbox *home;             /* [to]: promises of that shard whose counts are all back */
};

/* Mail that a shard gathers for another one during a turn. */
struct outgoing {
    struct list items;
    struct list home; /* its promises, see promise.c */
    size_t bytes;
};

/* What became of the publication in hand, see shard.note; and of one that has a promise, on all shards. */
enum {
    NOTE_TAKEN = 1,    /* somebody has it, or may have */
    NOTE_FULL = 2,     /* a session that is stored has not: its queue is full */
    NOTE_LOST = 4,     /* somebody has not for want of memory, or it could not be stored */
    NOTE_PROMISED = 8, /* it has a promise */
};

struct counters {
    _Atomic uint64_t clients, sessions, subscriptions, received, sent, dropped, bytes_in, bytes_out;
};

struct shard {
    struct broker *b;
    unsigned number;
    struct shard_env env;
    const struct store_ops *store;
    void *store_ctx;
    struct pool pool;
    struct slots clients, sessions;
    struct hmap by_id; /* client id -> struct session */
    struct heap timers;
    struct match_cache *cache;
    struct outgoing *out;  /* [to] */
    bool has_mail;         /* something in out */
    struct list paused;    /* clients that wait for another shard to take its mail, or for the store */
    struct list waiting;   /* clients with answers that wait for a commit */
    uint64_t committed;    /* numbers the store has answered for */
    uint64_t safe;         /* and those with good news: what it keeps after a failure is written by then */
    uint64_t need;         /* the highest number that the work in hand has to wait for */
    uint32_t note;         /* of the publication in hand: NOTE_... */
    struct ring owed;      /* see promise.c */
    struct hmap exchanges; /* struct exchange, by session and packet id */
    struct list settling;  /* those that wait for the store */
    struct list verdicts;  /* those that are over, and other shards are still to be told */
    struct hmap held;      /* see held.c, by the publication's identity */
    bool ends;             /* shard_free */
    bool short_of_memory;  /* as of the last turn's end, or the last look */
    uint64_t identities;   /* given to messages, for the store */
    uint64_t given;        /* what sessions of this shard gave (STORE_GIVE), counted for its numbers */
    struct timer expire;   /* retained messages that expire */
    uint8_t *scratch;      /* see shard_scratch */
    size_t scratch_cap;
    unsigned large; /* clients with a large CONNECT that is not yet dealt with */
    bool woke;      /* somebody was woken since the last shard_turn_end */
    msec now;
    struct counters count;
};

/* --------------------------------------------------------------- messages */

/*
 * A publication kept in memory, by one shard: counted plainly. Topic, properties and payload follow the head, but for a
 * payload in a blob. Kept small: the usual sensor's message fits two cache lines.
 */
struct message {
    struct blob *blob;
    msec expires;
    uint64_t identity; /* for the store; 0: nobody else has it */
    uint32_t refs;
    uint32_t payload_n, props_n;
    uint16_t topic_n;
    uint8_t qos; /* of the publication; and MESSAGE_HELD */
    bool retain; /* as the publisher said */
    uint8_t data[];
};

/* It is not true yet: nobody may be sent it. See held.c. */
#define MESSAGE_HELD 0x80u

static inline bool message_held(const struct message *m)
{
    return (m->qos & MESSAGE_HELD) != 0;
}
static inline struct bytes message_topic(const struct message *m)
{
    return (struct bytes){m->data, m->topic_n};
}
static inline struct bytes message_props(const struct message *m)
{
    return (struct bytes){m->data + m->topic_n, m->props_n};
}
static inline struct bytes message_payload(const struct message *m)
{
    return (struct bytes){m->blob != NULL ? m->blob->p : m->data + m->topic_n + m->props_n, m->payload_n};
}

/* Where a publisher's packet can go out as it came in. Always QoS 0 and not retained. */
enum raw_form {
    RAW_NONE,
    RAW_3,     /* to 3.x */
    RAW_5,     /* to 5.0 */
    RAW_ALIAS, /* to 5.0: it has an alias, no topic and no other property. What the receiver calls the topic goes there
                */
};

/* A publication on its way: views into the publisher's packet, and what was made of it so far. */
struct pub {
    struct bytes topic, props, payload;
    struct bytes raw; /* the whole packet, where raw_form says that it can go out as it came in */
    enum raw_form raw_form;
    uint64_t hash;   /* of the topic: pub_hash */
    uint64_t number; /* of the topic, in this shard's cache; 0: it isn't there */
    uint8_t qos;
    bool retain;
    bool awaited;      /* somebody is told when it is safe: it gets a promise, where it needs one */
    bool group_stored; /* the group that it goes through has stored members */
    msec expires;
    handle from;       /* the publisher's session */
    uint64_t identity; /* for the store: the same on all shards; 0: none yet */
    uint64_t held_as;  /* deliveries are held, under this identity; 0: they are not */
    bool from_stored;  /* with held_as: its publisher's session is stored, and so is its exchange */
    struct message *msg;
    struct blob *blob;
    struct promise *promise; /* NULL: none. Not a reference */
};

/* The topic's hash by the broker's key. */
static inline uint64_t pub_hash(const struct shard *s, struct pub *p)
{
    if (p->hash == 0)
        p->hash = hash_bytes(&s->b->key, p->topic);
    return p->hash;
}
/* The message of p (made on first need); NULL without memory. The reference stays p's. */
struct message *pub_message(struct shard *s, struct pub *p);
/* The payload as a blob (made on first need); NULL without memory. */
struct blob *pub_blob(struct pub *p);
/* Gives p, and its message, an identity, where they have none: before it goes to several sessions that may be stored.
 */
void pub_identify(struct shard *s, struct pub *p);
void pub_fini(struct shard *s, struct pub *p);
struct message *message_ref(struct message *m);
void message_free(struct shard *s, struct message *m);
static inline void message_unref(struct shard *s, struct message *m)
{
    assert(m->refs > 0);
    if (--m->refs == 0)
        message_free(s, m);
}
/* The view of a kept message, to route it. */
void message_pub(struct message *m, struct pub *p);

/* --------------------------------------------------------------- sessions */

/* A message for one session: waiting in its queue, or in flight. Two to a cache line. */
struct delivery {
    struct message *msg; /* NULL once released (QoS 2), or sent by a session that sends nothing again */
    uint64_t row;        /* its name in the store; 0: not stored. Of a session that is not: see `given` */
    union {
        uint64_t need; /* QoS 2 in flight: may be sent when the store has committed so far */
        struct {       /* shared: the group that it came through */
            uint32_t group;
            uint16_t text_n; /* stored: bytes of the group's text, which is stored with it */
        };
    };
    uint32_t sub_id;
    uint16_t id; /* packet id, once in flight */
    uint8_t qos;
    bool retain : 1, sent : 1, released : 1;
    bool shared : 1; /* may go to another member of its group when the session ends */
    bool late : 1;   /* see restore.c */
    bool given : 1;  /* the store has it as given (store.h) by the session that had it before, and its name is that */
};

/* Packet ids of QoS 2 publications that were received and not yet released: sorted. 0 is no id. */
struct id_set {
    uint16_t *v;
    uint16_t n, cap;
};

bool id_set_has(const struct id_set *s, uint16_t id);
/* False without memory. Adding what is there is fine. */
bool id_set_add(struct id_set *s, uint16_t id);
bool id_set_remove(struct id_set *s, uint16_t id);
void id_set_fini(struct id_set *s);

struct subscription {
    struct index_node *node;   /* an ordinary one */
    struct share_group *group; /* or a shared one */
};

/* A subscription as a session keeps it: a pointer, with SUB_SHARED for that of a group. */
typedef uintptr_t sub_ref;
#define SUB_SHARED ((sub_ref)1)

/*
 * A broker keeps a hundred thousand of these, most without a connection: so it has no padding, and its numbers are no
 * larger than they have to be. What is in flight is bounded by packet ids.
 */
struct session {
    struct shard *shard;
    struct client *client;
    handle h;
    struct rights *rights; /* of the user who made it, as of the last connection */
    union {
        sub_ref one;   /* most have no more */
        sub_ref *many; /* subs_n > 1: room for as many as the next power of two */
    } subs;
    struct share_hint *hint;         /* NULL: never had a shared subscription */
    struct ring deliveries;          /* struct delivery: those in flight, in order of sending, then those that wait */
    size_t queue_bytes;              /* memory of all that wait */
    size_t inflight_bytes;           /* and of what is in flight, and not released */
    struct exchange *exchanges_last; /* see exchange.c */
    uint64_t next_row;
    struct client_will *will; /* of a connection that is gone: waits for its delay to pass */
    struct timer timer;
    struct id_set received;
    uint32_t subs_n;
    uint32_t subs_units; /* what their filters count for, in FILTER_UNITs */
    uint32_t queued;     /* QoS 1 and 2 deliveries among those that wait */
    uint32_t expiry;     /* seconds; 0: ends with its connection */
    uint32_t dropped;
    uint32_t told_full; /* when that was logged, in seconds; 0: never */
    uint16_t inflight;  /* how many are in flight */
    uint16_t unsent;    /* index of the first in-flight delivery that this connection has not been sent yet */
    uint16_t window;    /* how many may be in flight */
    uint16_t ids_free;  /* so many ids from next_id on are not in use, surely */
    uint16_t next_id, id_n;
    bool ends : 1; /* with its connection, as the client said at last; until then it counts as one that is stored */
    /* A CONNACK has told that it is stored, with this expiry; there was no will since. */
    bool settled : 1;
    uint8_t id[];
};
/* With an id of 13 bytes a block of 208 bytes for the allocator. */
static_assert(sizeof(void *) != 8 || offsetof(struct session, id) <= 187, "a session is to stay small");

/* max_inflight: there are no more packet ids than this. */
static inline uint16_t shard_window(const struct shard *s)
{
    uint32_t most = s->b->limits.max_inflight;
    return (uint16_t)(most < UINT16_MAX ? most : UINT16_MAX);
}
static inline struct bytes session_id(const struct session *s)
{
    return (struct bytes){s->id, s->id_n};
}
static inline uint32_t session_waiting(const struct session *s)
{
    return s->deliveries.n - s->inflight;
}
static inline bool session_durable(const struct session *s)
{
    return s->expiry > 0;
}

struct session *session_find(struct shard *s, struct bytes id);
/* NULL without memory (or all handles taken). */
struct session *session_new(struct shard *s, struct bytes id, struct rights *rights);
/* Its subscriptions, queue and stored state go with it. Its client, if any, must be detached. */
void session_end(struct session *s);
/* The memory only: what is stored stays (a stopping broker). */
void session_free(struct session *s);
/* No client any more: ends it, or starts its expiry. */
void session_detach(struct session *s);
/* Puts how it stands, without a client: when it ends, and the will that waits. */
void session_store_away(struct session *s);
/* Remembers a subscription made in the index. False without memory. */
bool session_add_sub(struct session *s, struct subscription sub);
/* Before it is taken out of the index. */
void session_drop_sub(struct session *s, struct subscription sub);
/* May it have another subscription, to this filter? */
bool session_may_add_sub(const struct session *s, struct bytes filter);
/* The i-th of its subscriptions, i < subs_n. */
struct subscription session_sub(const struct session *s, uint32_t i);
/* Forgets the i-th; the last one takes its place. */
void session_forget_sub(struct session *s, uint32_t i);
/* SHARE_READY and SHARE_ROOM, as they are now. */
unsigned session_takes(const struct session *s);
/* How it fares, for those who choose among the members of its groups. */
void session_show_now(struct session *s);
/* The same for any session: most are in no group. */
static inline void session_show(struct session *s)
{
    if (s->hint != NULL)
        session_show_now(s);
}
uint16_t session_take_id(struct session *s);

/* Puts a record of this session; notes the number to wait for in shard->need. Only for durable sessions (asserted). */
uint64_t session_store(struct session *s, struct store_record *r);

/* --------------------------------------------------------------- delivery */

/* p goes to s, which matched by n subscriptions m: sends it at once, queues it or drops it, as QoS and limits say. */
void session_deliver(struct session *s, struct pub *p, const struct match *m, uint32_t n);
enum offer { OFFER_TAKEN, OFFER_FULL, OFFER_GONE };
/* The same for a message that t offers it as a member of a group. FULL: its limits say no. GONE: it can't have it. */
enum offer session_offer(struct session *s, struct pub *p, const struct share_turn *t);
/* Fills the client's output from in-flight deliveries that wait to be sent (again) and from the queue. True: blocked by
 * the store, output goes on after a commit. */
bool session_output(struct session *s);
/* The connection is new: what is in flight is to be sent again. */
void session_resume(struct session *s);
/* Sends a retained message found by a walk; false: no room (window or output). */
bool session_send_retained(struct session *s, const struct retained_message *m, const struct sub_options *o);
/* The in-flight delivery with this packet id; *i its index. */
struct delivery *session_inflight(struct session *s, uint16_t id, uint32_t *i);
/* In flight, and not to be sent again: its message (not NULL) goes. */
void session_forget_message(struct session *n, struct delivery *d);
/* Delivers what was held. */
void session_deliver_held(struct session *s, struct message *m, const struct delivery *d);
/* What waits of that message is not to be sent after all. */
void session_withdraw(struct session *s, const struct message *m);
/* It is acknowledged: forgets it. */
void session_done(struct session *s, uint32_t i);
void session_clear_queues(struct session *s);

/* ----------------------------------------------------------------- routing */

/* Sends p to all who want it, on this shard and (by mail) on others; keeps it where it is retained. False: nobody
 * does. */
bool route(struct shard *s, struct pub *p);
/* Gives p to the member that t has chosen, here or (by mail) elsewhere, or to the next that can take it. */
void share_give(struct shard *s, struct pub *p, struct share_turn *t);
/* Another member of the group gets m, which was for that session; given: as the store has it, or 0. */
void share_hand_on(struct shard *s, handle from, uint32_t group, struct message *m, uint64_t given);
/* Nobody has any more what the store has as given. Returns the number to wait for. */
uint64_t share_over(struct shard *s, uint64_t given);
/* The session ends: it leaves its groups, and what they gave it and it may hand on goes to other members. */
void share_leave(struct session *n);
/* Adds p for n matches of another shard to the outgoing mail; or, with t, for the member of a group. */
void mail_add(struct shard *s, unsigned to, const struct pub *p, const struct match *m, uint32_t n,
              const struct share_turn *t);
/* How an exchange ended. False: no memory. */
bool mail_verdict(struct shard *s, unsigned to, uint64_t identity, bool kept);
/* Pushes what was gathered; true if there was any. */
bool mail_push(struct shard *s);
/* Routes what came. */
void mail_take(struct shard *s);
/* Are publishers to be held back, because another shard or the store is behind? */
bool shard_holds_back(struct shard *s);
/* Memory is short, the blocks that the shard kept for later given back: nothing more should be kept. */
bool shard_short(struct shard *s);
/* Is a shard behind that this one sends to? Then mail_hold the publisher. */
bool mail_congested(struct shard *s, unsigned *to);
void mail_free_all(struct shard *s);

/* ---------------------------------------------------------------- promises */

struct promise {
    struct list link;      /* on its way home */
    _Atomic uint32_t left; /* counts that are out: the publisher's, and one for each record of mail */
    _Atomic uint32_t notes;
    _Atomic uint64_t holders; /* promise_holder of other shards that hold deliveries */
    unsigned origin;          /* the publisher's shard; what follows is for that one only */
    uint32_t refs;            /* until it is settled, and of each answer that waits */
    handle client;            /* who waits */
    bool told_full;           /* it can be told when everybody's queue is full */
    bool exchange;            /* it is one of these */
    bool home;                /* all counts are back */
    bool settled;             /* it is known how it ended */
};

/* With more than 64 shards some share a bit. */
static inline uint64_t promise_holder(unsigned shard)
{
    return UINT64_C(1) << shard % 64;
}

void promise_init(struct shard *s);
/* Counts that this shard still has go back, broken. */
void promise_fini(struct shard *s);
/* Gives p a promise, where it has none. Without memory it is noted as lost. */
void promise_make(struct shard *s, struct pub *p);
/* The same where one of the n subscribers of another shard is stored. */
void promise_for(struct shard *s, struct pub *p, const struct match *m, uint32_t n);
/* Another count. */
struct promise *promise_share(struct promise *p);
/* A count comes back, on whatever shard. With the last one it goes home, where it may end: have a reference. */
void promise_return(struct shard *s, struct promise *p, unsigned notes);
/* The same when what was just made of the publication (shard->need, shard->note) is committed. */
void promise_owe(struct shard *s, struct promise *p);
/* The store has answered for from..number. */
void promise_committed(struct shard *s, uint64_t from, uint64_t number, bool failed);
/* Those that came home from other shards. */
void promise_take(struct shard *s);
void promise_unref(struct promise *p);
/* A new one: a count and a reference for its maker. */
void promise_start(struct shard *s, struct promise *p);
/* It is over: who waits for it goes on, and the reference that it had until now goes. */
void promise_settle(struct shard *s, struct promise *p, bool kept);
/* Something failed, or nobody had room. Final once it is settled. */
bool promise_broken(const struct promise *p);
/* Broken for no other reason than full queues. */
bool promise_full(const struct promise *p);
/* What is left in the inboxes of a broker that ends. */
void promise_free_all(struct broker *b);

/* ---------------------------------------------------------------- QoS 2 on its way in */

enum exchange_stage { EXCHANGE_ROWS, EXCHANGE_RECEIVED };

struct exchange {
    struct promise promise;
    struct list settling;            /* in shard->settling */
    struct exchange *before, *after; /* of the same session */
    handle session;
    uint64_t need, identity;
    unsigned told; /* shards below this one know how it ended */
    uint16_t packet_id;
    uint8_t stage;
    bool stored; /* the publisher's session is: the packet id will be, too */
    bool in_one; /* its rows and its packet id are put in one turn */
    bool doomed; /* one before it has failed */
    bool rows;   /* there may be rows that count with the packet id */
    bool kept;   /* how it ended */
};

/* The one that is under way, or NULL. */
struct exchange *exchange_find(struct shard *s, handle session, uint16_t packet_id);
/* While p is routed to all: makes it an exchange where it needs one. False without memory, which is noted. */
bool exchange_make(struct shard *s, struct pub *p, const struct matches *all);
/* p, which is one, was routed: PUBREC with that reason leaves when it is over. */
void exchange_begin(struct client *c, const struct pub *p, uint16_t id, enum reason reason);
/* Goes on, if it can: its promise came home, or the store has answered. */
void exchange_step(struct shard *s, struct promise *p);
/* The store has answered for from..number. */
void exchange_committed(struct shard *s, uint64_t from, uint64_t number, bool failed);
/* Mails to other shards how exchanges ended. */
void exchange_tell(struct shard *s);
void exchange_fini(struct shard *s);

/* d, of message m, is held: remembers it. queued: it stands in the queue; else it is delivered then. False without
 * memory. */
bool held_add(struct session *n, const struct pub *p, struct message *m, const struct delivery *d, bool queued);
/* d, which is held and queued, is left by its session, which ends; given: as the store has it, or 0. */
void held_leave(struct session *n, const struct delivery *d, uint64_t given);
/* The word on a publication: what is held may be sent, or is withdrawn. */
void held_settle(struct shard *s, uint64_t identity, bool kept);
void held_fini(struct shard *s);

/* ------------------------------------------------------------------ client */

/* What truly differs between versions; all else is read up into the terms of 5.0. */
struct proto_traits {
    const char *name;
    bool filter_codes; /* an invalid filter is answered with a code; else the connection is closed */
    bool session_flag; /* CONNACK can say that a session is present */
    bool goodbye;      /* DISCONNECT can be sent by a server */
    bool own_terms;    /* CONNECT and CONNACK have properties: window, keep-alive and client id are agreed upon */
    bool any_id;       /* an empty client id is fine even for a session that is kept */
    bool empty_clean;  /* an empty client id is fine with a clean session */
};

const struct proto_traits *proto_traits(enum proto proto);

enum client_state {
    CLIENT_NEW,      /* nothing but CONNECT may come */
    CLIENT_AUTH,     /* waits for the authoriser */
    CLIENT_EXCHANGE, /* enhanced authentication: nothing but AUTH and DISCONNECT may come */
    CLIENT_MOVING,   /* on its way to its session's shard */
    CLIENT_UP,
    CLIENT_CLOSING,
};

/* An answer that waits for a commit, or behind one that does. */
struct gated {
    struct list link;
    uint64_t need;
    struct promise *promise; /* to be kept, too; NULL: none */
    bool failed;             /* the store failed on its number: it is refused, in its turn */
    uint32_t n;
    uint8_t bytes[];
};

struct replay {
    struct list link;
    struct retained_cursor *cursor;
    struct index_node *node; /* of the subscription */
    struct sub_options options;
    uint64_t need;
};

/* The will of a connection: one block. Later it may be the session's, until its delay has passed. */
struct client_will {
    struct bytes topic, props, payload;
    struct session *session; /* while it waits for its delay */
    struct timer timer;
    uint32_t delay, expiry; /* seconds; expiry: of the message, with has_expiry */
    uint8_t qos;
    bool retain, has_expiry;
};

/* What only connections of 5.0 have. */
struct client_v5 {
    uint32_t max_packet; /* what the client takes */
    uint32_t unacked;    /* QoS 1 publications of the client whose PUBACK waits */
    uint16_t alias_max;  /* what the client takes */
    bool quiet;          /* no reason strings, please */
    struct alias_in *alias_in;
    struct alias_out *alias_out;
    struct client_auth *auth; /* the method of its enhanced authentication, and what is under way */
};

/* What CONNECT said, until the session is attached: a copy of the packet, and the views into it. */
struct connect_wait {
    struct packet_connect connect;
    struct bytes id; /* the client's, or ours */
    char made_id[32];
    uint32_t rights_number; /* of the broker, when its rights were asked for */
    bool took_over;         /* another connection, and logged that */
    uint8_t raw[];
};

struct client {
    struct shard *shard;
    void *link;
    const struct client_origin *origin;
    struct session *session;
    struct rights *rights;
    struct connect_wait *wait;
    struct client_will *will;
    struct client_v5 *v5; /* NULL: 3.x */
    struct outq out;
    struct list gate;         /* struct gated */
    struct list replays;      /* struct replay */
    struct hmap replays_of;   /* by node */
    struct list waiting_link; /* in shard->waiting */
    struct list paused_link;  /* in shard->paused */
    struct timer timer;
    handle h;
    msec last_packet;
    uint32_t needs;       /* see client_needs */
    uint32_t acks;        /* bytes of the output that acknowledge, where all that was ever in it did */
    const char *end_why;  /* in words, for the log */
    const char *end_hint; /* what helps; NULL when there is nothing to say */
    uint32_t gate_bytes;  /* what is in the gate */
    uint16_t keep_alive;
    uint8_t state, proto;
    uint8_t end_reason; /* enum reason */
    bool paused : 1, handshaking : 1, was_up : 1, woken : 1, large : 1, identified : 1;
    bool resumes : 1;       /* the session stood as this connection wants it: CONNACK promises nothing new */
    bool greeted : 1;       /* CONNACK is in the output, or waits in the gate ... */
    bool connack_waits : 1; /* ... where it is, and nothing but a refusal may be said before it */
    char peer[];            /* "address:port" */
};

void client_wake(struct client *c);
/* The peer broke the rules, or we can't go on: the one place that says goodbye. why: in words, constant. */
void client_refuse(struct client *c, enum reason reason, const char *why);
/* The same, and what a person can do about it: constant too. */
void client_refuse_hint(struct client *c, enum reason reason, const char *why, const char *hint);
/* Appends encoded bytes to the output; out of memory closes the connection. */
void client_append(struct client *c, const void *p, size_t n);
/* The same for a whole packet (at most OUTQ_ROOM bytes) in which `alias` takes the place of the two bytes at `at`. */
void client_append_alias(struct client *c, struct bytes packet, size_t at, uint16_t alias);
/* Encodes and appends a packet at once: for what never waits (CONNACK of a refusal, DISCONNECT). */
void client_send(struct client *c, const struct packet *p);
/* For what waits for no commit, but may not come before CONNACK [MQTT-3.2.0-1]. */
void client_reply(struct client *c, const struct packet *p);
/* Like client_send, but after the commit of need and behind earlier answers that wait [MQTT-4.6.0-2..4]. */
void client_answer(struct client *c, const struct packet *p, uint64_t need);
void client_answer_ack(struct client *c, enum packet_type type, uint16_t id, enum reason reason, uint64_t need);
/* The same for one that waits for a promise, too, of which this takes a reference. */
void client_answer_promised(struct client *c, enum packet_type type, uint16_t id, enum reason reason, uint64_t need,
                            struct promise *promise);
/* A publication could not be kept, or (full) nobody had room for it: 5.0 is told in place of PUBACK or PUBREC, 3.x
 * can't be: its connection ends, and it sends again. */
void client_answer_failure(struct client *c, enum packet_type type, uint16_t id, bool full);
/* A refusal, with a reason in words where the client wants it. */
void client_answer_refusal(struct client *c, enum packet_type type, uint16_t id, enum reason reason, const char *why);
/* Forgets what waits: the connection ends. */
void client_drop_answers(struct client *c);
/* Releases answers that are committed by now. */
void client_release(struct client *c);
/* The store failed on numbers from..to: answers that wait for them are refusals now. */
void client_store_failed(struct client *c, uint64_t from, uint64_t to);
/* Something that it sent could not be kept. 5.0 is told in its turn; 3.x at once, by the end of the connection: what
 * comes behind would be out of order. */
void client_not_stored(struct client *c);
/* Takes the session away from the client: publishes the will where due. */
void client_detach(struct client *c);
void client_set_keep_alive(struct client *c);
void client_free(struct client *c);
/* Its CONNECT is dealt with: another client may have a large one. */
void client_give_large(struct client *c);
void client_timer(struct client *c);
enum publish_result {
    PUBLISH_SENT,
    PUBLISH_CLOSING,   /* no memory: the connection is being closed */
    PUBLISH_TOO_LARGE, /* for this client: to be forgotten; it was logged and counted */
};
/* Appends a PUBLISH with the payload of that size; blob: where the payload lies in one. */
enum publish_result client_publish(struct client *c, struct publish_out *p, const uint8_t *payload, struct blob *blob);
/* Is a packet of n bytes more than the client takes? */
static inline bool client_too_large(const struct client *c, size_t n)
{
    return c->v5 != NULL && n > c->v5->max_packet;
}
/* A reason string for p's properties, where the client wants them and knows them. */
void client_explain(const struct client *c, struct props *p, const char *why);
/* Its output is broken off: nothing can be said any more. */
void client_cut(struct client *c, const char *why);

/* Handlers: one a packet type, for connections that are up. The packet is decoded and checked whole. */
void on_connect(struct client *c, const struct frame *f);
void on_publish(struct client *c, const struct frame *f);
void on_puback(struct client *c, const struct packet *p);
/* The same for the form that nearly all have: two bytes of packet id. */
void on_short_puback(struct client *c, const struct frame *f);
void on_pubrec(struct client *c, const struct packet *p);
void on_pubrel(struct client *c, const struct packet *p);
void on_pubcomp(struct client *c, const struct packet *p);
void on_subscribe(struct client *c, const struct packet *p);
void on_unsubscribe(struct client *c, const struct packet *p);
/* Goes on with CONNECT: on the session's own shard, the user being known. */
void connect_attach(struct client *c);
/* Refuses a CONNECT: CONNACK with the reason, then the end. why, hint: constant. */
void connect_refuse(struct client *c, enum reason reason, const char *why, const char *hint);
/* Before the session is touched: the client's rights are those of now; false: its user is no more. */
bool connect_rights_stand(struct client *c);
/* The user is known, rights (a reference) are taken: to the session's shard, and attach. */
void connect_proceed(struct client *c, struct rights *rights);

/* Enhanced authentication: its first step (CLIENT_EXCHANGE, or refused), and AUTH at any time. */
void auth_begin(struct client *c);
void on_auth(struct client *c, const struct packet *p);
/* What CONNACK has to say of it. */
void auth_connack(const struct client *c, struct props *p);
void auth_free(struct client *c);

/* NULL without memory. */
struct client_will *will_new(struct shard *s, const struct will *w);
void will_free(struct client_will *w);
/* The connection ends without having taken its will back: publishes it, or leaves it to the session for its delay. */
void will_leave(struct client *c);
/* The session's will: its delay has passed, or the session ends. */
void will_due(struct session *n);
/* The client is back in time. */
void will_cancel(struct session *n);

/* Sets an alias of the client; makes the table on first use. REASON_SUCCESS, or why not. */
enum reason alias_in_set(struct alias_in **table, uint16_t alias, struct bytes topic, uint64_t hash);
/* The topic, valid until it is set anew, and its hash. False: not set. */
bool alias_in_get(const struct alias_in *table, uint16_t alias, struct bytes *topic, uint64_t *hash);
void alias_in_free(struct alias_in *table);
/* What a client shall know a topic by: 0 is no alias. known: it does already; else alias_out_set follows when the
 * packet with the topic is on its way. */
struct alias_choice {
    uint16_t alias;
    bool known;
};
/* NULL without memory. */
struct alias_out *alias_out_new(uint16_t client_maximum);
/* The alias to send with a topic. number: as in struct pub. */
struct alias_choice alias_out_choose(struct alias_out *t, struct bytes topic, uint64_t hash, uint64_t number);
/* False without memory: the alias must not be used. */
bool alias_out_set(struct alias_out *t, uint16_t alias, struct bytes topic, uint64_t hash);
void alias_out_free(struct alias_out *t);

/*
 * What the properties of a PUBLISH ask for: sets the topic from its alias, the expiry, and the properties to pass on
 * (valid until the next call on this shard). False: refused.
 */
bool publish_terms(struct client *c, const struct packet_publish *p, struct pub *pub);
/* The same of a topic alias alone; pub has the packet's topic, which may be empty. */
bool publish_alias(struct client *c, uint16_t alias, struct pub *pub);
/* The section raw without properties of the ids in drop (1 << enum prop), in the shard's scratch where it has to be
 * copied. False without memory. */
bool props_without(struct shard *s, struct bytes raw, uint64_t has, uint64_t drop, struct bytes *out);
/* Are these properties more than the limits allow? */
bool props_too_many(const struct shard *s, const struct props *p);
/* Seconds that are left of an expiry. */
uint32_t expiry_left(msec expires, msec now);
/* A retained message expires then: somebody has to delete it. */
void shard_expect_expiry(struct shard *s, msec expires);
/* n bytes to work in, until the next call; NULL without memory. */
uint8_t *shard_scratch(struct shard *s, size_t n);

/* Takes the cursor over. An unfinished walk of the same subscription ends. */
void replay_add(struct client *c, struct retained_cursor *cursor, struct index_node *node, const struct sub_options *o,
                uint64_t need);
void replay_drop(struct client *c, const struct index_node *node);
/* Sends retained messages as room allows. True: there is more to do and room to do it in. */
bool replay_output(struct client *c);
void replay_free_all(struct client *c);

static inline void count_add(_Atomic uint64_t *c, int64_t d)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + (uint64_t)d, memory_order_relaxed);
}
