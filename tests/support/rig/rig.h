/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A whole core without a socket and without a clock: some shards, a store, an authoriser, and peers that send bytes and
 * look at what comes back. The rig does what the server's loops do, in the order that core/shard.h asks for, one shard
 * after the other, until nothing moves any more (rig_run). It re-enters the core only where it was woken, so a
 * forgotten wake shows as an answer that never comes.
 *
 * A test is a function of cmocka that finds its rig in *state. rig_main runs each test in several worlds: 3.1, 3.1.1
 * and 5.0; one, two and four shards; commits at once, later, in batches; input whole and byte by byte. A test therefore
 * must not depend on any of that unless it says so in its RIG_ entry.
 *
 * Whoever asks for more than the doors of the core give (to check an invariant) does it in rig_check.c.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sotto/base/list.h"
#include "sotto/core/shard.h"
#include "sotto/core/store.h"

#define RIG_SHARDS 4

/* The core speaks 5.0: there are worlds of 5.0. */
#define RIG_SPEAKS_5 true

/* The bit of a property in props.has: RIG_HAS(TOPIC_ALIAS). */
#define RIG_HAS(prop) (UINT64_C(1) << PROP_##prop)

/* What a peer names by default where 5.0 asks how long a session is kept: as long as 3.x would. */
#define RIG_FOREVER UINT32_MAX

enum rig_commits {
    RIG_AT_ONCE,   /* memory_store_ops: at the end of the turn */
    RIG_DELAYED,   /* each record three turns later */
    RIG_BATCHED,   /* what came during the last commit is the next one */
    RIG_ON_DEMAND, /* rig_commit and rig_commit_fails */
};

/* A store that keeps nothing but what is open: which rows stand, so that none is forgotten (see rig_store.c). */
struct rig_store {
    struct memory_store memory;
    enum rig_commits commits;
    uint64_t last, told, marks[4];
    unsigned turns;
    bool full;        /* says that it has more than it should */
    bool failing;     /* the last commit failed */
    unsigned put[16]; /* records, by kind */
    struct rig_row *rows;
    size_t rows_n, rows_cap;
};

struct rig_user {
    const char *name, *password;
    struct rights *rights;
};

struct rig {
    struct broker *broker;
    struct limits limits;
    unsigned n;
    struct rig_shard {
        struct rig *rig;
        struct shard *shard;
        struct rig_store store;
        unsigned number;
        bool rung;
    } s[RIG_SHARDS];
    msec now;
    enum proto proto; /* of clients that don't say */
    enum rig_commits commits;
    size_t chunk;         /* bytes of a peer's input that arrive in one turn; 0: 64 KiB */
    bool auth_later;      /* credentials are answered by rig_answer_auth */
    bool short_of_memory; /* what was given in the store may be left there, for the next start */
    unsigned exchanges;   /* of the method "toy" that are open */
    unsigned next_shard;  /* where the next connection arrives */
    struct client_origin origin;
    struct list peers, answers;
    struct rig_user users[16];
    size_t users_n;
    size_t memory_before;
};

/* What one side of a 5.0 connection has named, and what follows from it for the rest of the connection. */
struct rig_terms {
    uint32_t maximum_packet_size; /* the peer's; 0: none */
    uint16_t alias_maximum;       /* the peer's: aliases that the server may use */
    uint16_t receive_maximum;     /* the peer's: QoS 1 and 2 messages at once; 0: not known */
    bool no_problem_info;
    bool connected, ended; /* CONNACK came; DISCONNECT came */
    char *topics[64];      /* the server's aliases, from 1 on */
};

/* The other end of a connection. */
struct peer {
    struct rig *rig;
    struct list link;
    struct client *client; /* NULL: over */
    char name[24];
    enum proto proto;
    unsigned shard, target;
    uint8_t *in; /* sent, not yet used by the core; of it, `arrived` bytes have arrived */
    size_t in_n, in_cap, arrived, chunk;
    uint8_t *got; /* received, looked at up to got_at */
    size_t got_n, got_cap, got_at;
    size_t most_output; /* the most that ever waited to be sent to it */
    bool woken, fresh, stopped, moving, in_transit;
    size_t takes; /* bytes that it takes at once; 0: all */
    bool stalled; /* takes nothing */
    bool blocked; /* output waits because it stalled */
    bool dropped; /* broke the connection; the core will hear of it */
    bool closed;  /* by the server */
    msec waited;  /* in the loop's own queues, not yet told */
    struct rig_terms terms;
    struct props connack; /* 5.0, what the server has named: numbers only ... */
    char assigned[64];    /* ... and the client id that it assigned, or "" */
};

/* ---------------------------------------------------------------- the rig */

/* What the tests start from: the defaults of the configuration. */
struct limits rig_limits(void);
struct rig *rig_new(unsigned shards, const struct limits *limits, enum rig_commits commits);
/* Breaks all connections, lets the sessions end, and checks that nothing is left. */
void rig_free(struct rig *r);
/* Frees everything as it stands, as at the end of the program. */
void rig_abandon(struct rig *r);

/* Turns of all shards until nothing moves; fails the test when that never comes. */
void rig_run(struct rig *r);
/* One turn of one shard; true: something happened. */
bool rig_turn(struct rig *r, unsigned shard);
/* Time goes on by ms, stopping at each deadline on the way. */
void rig_advance(struct rig *r, msec ms);

/* Runs; commits the next n records of each shard (RIG_ON_DEMAND), or all (SIZE_MAX); and runs. */
void rig_commit(struct rig *r, size_t n);
/* What has been put and not committed fails; then runs. */
void rig_commit_fails(struct rig *r);
/* The same for one shard, without running. */
void rig_commit_on(struct rig *r, unsigned shard, size_t n, bool fails);
/* Records of a kind, over all shards, so far. */
unsigned rig_stored(const struct rig *r, enum store_kind kind);
/* Messages that the store holds for sessions, over all shards; those given (STORE_GIVE) and not taken yet, too. */
size_t rig_rows(const struct rig *r);
/* Of those, the given ones. */
size_t rig_given(const struct rig *r);

/* Users that may connect. With none, everybody may, with every right. rules are copied. */
void rig_user(struct rig *r, const char *name, const char *password, const struct rule *rules, size_t n,
              bool everything);
/* The user's rules are others; rules NULL and n 1: it is no more. In force for those who are here with
 * rig_renew_rights. */
void rig_change_user(struct rig *r, const char *name, const struct rule *rules, size_t n, bool everything);
/* As loops do after the users have changed; then runs. */
void rig_renew_rights(struct rig *r);
/* Answers what was asked while auth_later is on; then runs. */
void rig_answer_auth(struct rig *r);
/*
 * There is one method of enhanced authentication, "toy". The client says its name, the server asks back ("who is
 * NAME?"), and goes on to ask as long as the answer is "more"; "yes" is right (and answered "welcome"), everything else
 * is wrong. Who authenticates again must do so with the same name. "friend" is let in without being asked.
 */

unsigned rig_shard_of(const struct rig *r, const char *client_id);
struct shard_stats rig_stats(const struct rig *r);
/* Invariants of the core's state; called after each turn. */
void rig_check(struct rig *r);
/* The session of this client id exists. */
bool rig_has_session(const struct rig *r, const char *client_id);
/* The session's next packet id will be so. */
void rig_set_next_id(struct rig *r, const char *client_id, uint16_t id);
/* Gives the broker's keyed hash a fixed key: client ids live on the same shards in every run. Before shards are made.
 */
void rig_fix_key(struct broker *b);

/* ------------------------------------------------------------------ peers */

/* A connection that has sent nothing. */
struct peer *rig_open(struct rig *r);
struct peer *rig_open_at(struct rig *r, unsigned shard);
/* The peer breaks it, without DISCONNECT; runs. */
void rig_drop(struct peer *c);
/* The broker's operator ends it; runs. */
void rig_end(struct peer *c, enum reason reason);
/* A peer that takes nothing; or takes again (runs). */
void rig_stall(struct peer *c, bool stalled);

/* Sending only queues bytes; they move when the rig runs, which every expectation lets it do. */
void rig_send_bytes(struct peer *c, const void *p, size_t n);
void rig_send_hex(struct peer *c, const char *hex);
void rig_send(struct peer *c, const struct packet *p);
void rig_send_ack(struct peer *c, enum packet_type type, uint16_t id);
void rig_send_ack_reason(struct peer *c, enum packet_type type, uint16_t id, enum reason reason);
void rig_send_publish(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain, uint16_t id);
void rig_send_publish_dup(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain,
                          uint16_t id);
void rig_send_publish_bytes(struct peer *c, struct bytes topic, struct bytes payload, uint8_t qos, bool retain,
                            uint16_t id);
/* With properties of 5.0 (NULL: none). */
void rig_send_publish_props(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain,
                            uint16_t id, const struct props *props);
/* filters: "a/b:1 c/#:2"; for UNSUBSCRIBE "a/b c/#". Behind the QoS, options of 5.0: n no local, p retain as published,
 * 1 and 2 retain handling: "a/b:2np1". */
void rig_send_subscribe(struct peer *c, uint16_t id, const char *filters);
/* With a subscription identifier; 0: none. */
void rig_send_subscribe_id(struct peer *c, uint16_t id, const char *filters, uint32_t sub_id);
void rig_send_unsubscribe(struct peer *c, uint16_t id, const char *filters);
/* DISCONNECT; in 3.x the reason is not sent. props: NULL for none. */
void rig_send_disconnect(struct peer *c, enum reason reason, const struct props *props);
/* AUTH; method and data may be NULL. */
void rig_send_auth(struct peer *c, enum reason reason, const char *method, const char *data);

/* User properties for props.raw: "name=value name=value". Good until the 8th next call. */
struct bytes rig_user_props(const char *pairs);

struct rig_connect {
    const char *id; /* NULL: empty */
    size_t id_n;    /* 0: up to its zero byte */
    bool clean;
    enum proto proto; /* 0: the rig's */
    const char *user, *password;
    uint16_t keep_alive;
    const char *will_topic, *will;
    uint8_t will_qos;
    bool will_retain;
    /* 5.0. NULL: a session that is not clean is kept for RIG_FOREVER, the receive maximum is what max_inflight is for
     * 3.x; a will without properties */
    const struct props *props, *will_props;
    bool present; /* the session is to be there; 3.1 can't say */
    int at;       /* 1 + the shard where it arrives; 0: one after the other */
};

/* Opens a connection and sends CONNECT. */
struct peer *rig_start(struct rig *r, const struct rig_connect *how);
/* And is accepted. */
struct peer *rig_connect_at(struct rig *r, const struct rig_connect *how, const char *file, int line);
#define rig_connect(r, ...) rig_connect_at((r), &(struct rig_connect){__VA_ARGS__}, __FILE__, __LINE__)
/* A clean session of that id. */
#define rig_clean(r, name) rig_connect((r), .id = (name), .clean = true)
/* A session that is kept: new, or there already. */
#define rig_keep(r, name) rig_connect((r), .id = (name))
#define rig_resume(r, name) rig_connect((r), .id = (name), .present = true)

/* ----------------------------------------------------------- expectations */

/* Exactly these bytes come next. */
void rig_expect_at(struct peer *c, const char *hex, const char *file, int line);
#define rig_expect(c, hex) rig_expect_at((c), (hex), __FILE__, __LINE__)
/* Nothing (more) comes, and the connection stands. */
void rig_expect_nothing_at(struct peer *c, const char *file, int line);
#define rig_expect_nothing(c) rig_expect_nothing_at((c), __FILE__, __LINE__)
/* Nothing (more) comes, and the server has closed the connection: what 3.x does, and 5.0 where there is no word. */
void rig_expect_closed_at(struct peer *c, const char *file, int line);
#define rig_expect_closed(c) rig_expect_closed_at((c), __FILE__, __LINE__)
/* The server has ended the connection, and told why where the version can: DISCONNECT in 5.0, nothing in 3.x. */
void rig_expect_ended_at(struct peer *c, enum reason reason, const char *file, int line);
#define rig_expect_ended(c, reason) rig_expect_ended_at((c), (reason), __FILE__, __LINE__)
/* The next packet, which must be of that type. Views are valid until more comes. The topic of a PUBLISH with an alias
 * alone is put in its place. */
void rig_expect_packet_at(struct peer *c, enum packet_type type, struct packet *p, const char *file, int line);
#define rig_expect_packet(c, type, p) rig_expect_packet_at((c), (type), (p), __FILE__, __LINE__)
/* True, and the next packet is taken, if there is one. */
bool rig_next(struct peer *c, struct packet *p);
/* The same of what has come so far: doesn't run. */
bool rig_poll(struct peer *c, struct packet *p);
/* PUBLISH; returns its packet id (0 at QoS 0). */
uint16_t rig_expect_publish_at(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool dup,
                               bool retain, const char *file, int line);
#define rig_expect_publish(c, topic, payload, qos, dup, retain)                                                        \
    rig_expect_publish_at((c), (topic), (payload), (qos), (dup), (retain), __FILE__, __LINE__)
/* Any reason that is no error. */
void rig_expect_ack_at(struct peer *c, enum packet_type type, uint16_t id, const char *file, int line);
#define rig_expect_ack(c, type, id) rig_expect_ack_at((c), (type), (id), __FILE__, __LINE__)
/* That reason; in 3.x there is none. */
void rig_expect_reason_at(struct peer *c, enum packet_type type, uint16_t id, enum reason reason, const char *file,
                          int line);
#define rig_expect_reason(c, type, id, reason) rig_expect_reason_at((c), (type), (id), (reason), __FILE__, __LINE__)
/* SUBACK or UNSUBACK with these codes, in hex as 5.0 has them: "01 8f". In 3.x every error is 80, and an UNSUBACK has
 * none. */
void rig_expect_codes_at(struct peer *c, enum packet_type type, uint16_t id, const char *codes, const char *file,
                         int line);
#define rig_expect_suback(c, id, codes) rig_expect_codes_at((c), PACKET_SUBACK, (id), (codes), __FILE__, __LINE__)
#define rig_expect_unsuback(c, id, codes) rig_expect_codes_at((c), PACKET_UNSUBACK, (id), (codes), __FILE__, __LINE__)
/* The properties hold these user properties, as for rig_user_props, and no others, in that order. */
void rig_expect_user_props_at(const struct props *p, const char *pairs, const char *file, int line);
#define rig_expect_user_props(p, pairs) rig_expect_user_props_at((p), (pairs), __FILE__, __LINE__)
/* These subscription identifiers ("1 2 3") and no others, in any order. */
void rig_expect_sub_ids_at(const struct props *p, const char *ids, const char *file, int line);
#define rig_expect_sub_ids(p, ids) rig_expect_sub_ids_at((p), (ids), __FILE__, __LINE__)
/* CONNACK with the return code as it stands in 3.x, or the reason of 5.0 that it stands for. */
void rig_expect_connack_at(struct peer *c, bool present, uint8_t code, const char *file, int line);
#define rig_expect_connack(c, present, code) rig_expect_connack_at((c), (present), (code), __FILE__, __LINE__)

/* Whole exchanges. */
void rig_subscribe_at(struct peer *c, uint16_t id, const char *filters, const char *file, int line);
#define rig_subscribe(c, id, filters) rig_subscribe_at((c), (id), (filters), __FILE__, __LINE__)
void rig_unsubscribe_at(struct peer *c, uint16_t id, const char *filters, const char *file, int line);
#define rig_unsubscribe(c, id, filters) rig_unsubscribe_at((c), (id), (filters), __FILE__, __LINE__)
/* PUBLISH and what the publisher is answered, at each QoS. */
void rig_publish_at(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain, const char *file,
                    int line);
#define rig_publish(c, topic, payload, qos, retain)                                                                    \
    rig_publish_at((c), (topic), (payload), (qos), (retain), __FILE__, __LINE__)
/* Takes a PUBLISH and acknowledges it to the end. */
void rig_take_at(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool dup, bool retain,
                 const char *file, int line);
#define rig_take(c, topic, payload, qos, dup, retain)                                                                  \
    rig_take_at((c), (topic), (payload), (qos), (dup), (retain), __FILE__, __LINE__)
/* CONNACK of 5.0 with that reason. */
void rig_expect_refused_at(struct peer *c, enum reason reason, const char *file, int line);
#define rig_expect_refused(c, reason) rig_expect_refused_at((c), (reason), __FILE__, __LINE__)
/* DISCONNECT, and the server closes. */
void rig_disconnect_at(struct peer *c, const char *file, int line);
#define rig_disconnect(c) rig_disconnect_at((c), __FILE__, __LINE__)

/* ------------------------------------------------------------------ tests */

enum {
    RIG_31 = 1,  /* only 3.1 ... */
    RIG_311 = 2, /* ... or only 3.1.1 ... */
    RIG_5 = 256, /* ... or only 5.0; together: these */
    RIG_3 = RIG_31 | RIG_311,
    RIG_ONE_SHARD = 4,  /* only one shard */
    RIG_MANY = 8,       /* only two and more */
    RIG_HEAVY = 16,     /* long: fewer worlds, input never byte by byte */
    RIG_MANUAL = 32,    /* commits on demand */
    RIG_IMMEDIATE = 64, /* commits at the end of the turn */
    RIG_WHOLE = 128,    /* input never byte by byte */
};

struct rig_test {
    const char *name;
    CMUnitTestFunction run;
    unsigned where;
    void (*limits)(struct limits *l);
};

#define RIG_TEST(fn)                                                                                                   \
    {                                                                                                                  \
#fn, fn, 0, NULL                                                                                               \
    }
#define RIG_TEST_IN(fn, flags)                                                                                         \
    {                                                                                                                  \
#fn, fn, (flags), NULL                                                                                         \
    }
#define RIG_TEST_LIMITS(fn, flags, set)                                                                                \
    {                                                                                                                  \
#fn, fn, (flags), set                                                                                          \
    }

/* Runs the tests in all worlds that they are for. */
int rig_main(const char *group, const struct rig_test *tests, size_t n);
#define RIG_MAIN(tests) rig_main(__FILE__, (tests), sizeof(tests) / sizeof(*(tests)))

/* Numbers that are the same in every run. */
static inline uint64_t rig_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}
