/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The durable store without a core: a test puts records, ends turns, and hears of commits; what a restart gives is a
 * transcript, a line an item.
 */
#pragma once

#include "sotto/store/durable.h"
#include "unit_store.h"

#define SHARDS 2

#define FAILURES 64

struct told {
    uint64_t upto, failed_upto; /* the last number that was answered for, and the last one that failed */
    uint64_t last;              /* the last number given */
    uint64_t safe;              /* the highest with good news */
    struct {
        uint64_t from, to;
    } failures[FAILURES];
    unsigned failures_n;
};

struct harness {
    char dir[64];
    struct durable_config c;
    struct durable *d;
    struct told told[SHARDS], before[SHARDS]; /* before: of the run before the last restart */
    char *dump;                               /* of the last restart */
    size_t dump_n, dump_cap;
    char err[512];
};

/* The clocks of all tests: what they stand at; the monotonic one runs by itself where ms is 0. */
void clock_set(int64_t wall, msec now);
/* The monotonic one, where it runs by itself, is later by so much from now on. */
void clock_pass(msec ms);

/* A fresh folder; nothing is opened. */
void harness_init(struct harness *h);
void harness_fini(struct harness *h);
/* Opens, restores into h->dump, starts the thread. False: h->err says why. */
bool harness_open(struct harness *h);
bool harness_open_only(struct harness *h);
void harness_close(struct harness *h);
/* harness_close and harness_open. */
void harness_restart(struct harness *h);

/* Handles are SHARD << 48 | slot << 24 | generation. */
handle session_handle(unsigned shard, unsigned n);
uint64_t put(struct harness *h, unsigned shard, const struct store_record *r);
void turn(struct harness *h, unsigned shard);
/* Turns until everything that was put is answered for; aborts after 10 s. */
void settle(struct harness *h);
bool answered(const struct harness *h);

/* The records of the tests: of session n of a shard; client id "cS.N", user "uN". */
uint64_t put_session(struct harness *h, unsigned shard, unsigned n, bool connected);
uint64_t put_end(struct harness *h, unsigned shard, unsigned n);
uint64_t put_filter(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, const char *filter);
uint64_t put_row(struct harness *h, unsigned shard, unsigned n, uint64_t row, uint64_t message, const char *payload);
uint64_t put_held(struct harness *h, unsigned shard, unsigned n, uint64_t row, uint64_t message, const char *payload);
uint64_t put_state(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, uint64_t row, uint16_t id);
/* The same, through the shared subscription "$share/g/t". */
uint64_t put_shared_row(struct harness *h, unsigned shard, unsigned n, uint64_t row, uint64_t message,
                        const char *payload);
/* STORE_GIVE and STORE_TAKE. */
uint64_t put_move(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, uint64_t row, uint64_t given);
/* What was given is over. */
uint64_t put_given_done(struct harness *h, unsigned shard, uint64_t given);
uint64_t put_received(struct harness *h, unsigned shard, unsigned n, enum store_kind kind, uint16_t id,
                      uint64_t message);
uint64_t put_retained(struct harness *h, unsigned shard, const char *topic, const char *payload, uint8_t qos);

/* One number from the database file. */
int64_t query(const struct harness *h, const char *sql);
/* Files in the folder whose names begin so. */
unsigned files_like(const struct harness *h, const char *prefix);
void expect_dump(struct harness *h, const char *text);
