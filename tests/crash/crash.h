/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The crash test: a broker with two loops is killed again and again under load, and started again on the same data.
 * One thread plays all clients, each by the letter of the standard, so that what goes wrong is the broker's doing:
 *
 *   publishers   number the messages of each of their topics; a kept session sends what is not acknowledged again, with
 *                DUP and the same packet ids, and PUBREL where PUBREC had come; a clean one forgets it
 *   subscribers  all with kept sessions: online, coming and going (in order, torn, taken over), or away; at QoS 2 they
 *                keep the packet ids that they have received and that were not released
 *   ledger       what was sent, what was acknowledged, who has seen it
 *
 * In the end everybody gets what waits. Then no message that was acknowledged (PUBACK, PUBREC) after a subscriber's
 * SUBACK may be missing there; at QoS 2 none may have come twice; and the first arrivals of each publisher's topic must
 * be in order. What the broker sends again after an orderly stop, though it was acknowledged, is wrong too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PUBLISHERS 8
#define SUBSCRIBERS 12
#define WINDOW 10
#define WIRE_INPUT 65536

/* The topics of a publisher. */
enum kind { KIND_1, KIND_2, KIND_RETAINED, KINDS };

/* ---------------------------------------------------------------- chance and time */

uint64_t draw(uint64_t n); /* below n */
void draw_seed(uint64_t seed);
uint64_t now_ms(void);

/* ---------------------------------------------------------------- wire.c: a connection, and packets */

struct wire {
    int fd; /* -1: closed */
    bool v5;
    size_t in_n, out_n, out_cap;
    uint8_t *out;
    uint8_t in[WIRE_INPUT];
};

/* One packet: read it from p on. */
struct packet {
    uint8_t first;
    const uint8_t *p, *end;
};

void wire_init(struct wire *w, bool v5);
/* False: nobody listens. */
bool wire_open(struct wire *w, uint16_t port);
/* torn: with a reset. */
void wire_close(struct wire *w, bool torn);
/* Reads and writes what can be; false: the connection is over (and closed). */
bool wire_turn(struct wire *w);
/* The next packet that is here as a whole; valid until wire_turn. */
bool wire_next(struct wire *w, size_t *at, struct packet *p);
/* Forgets what was read up to `at`. */
void wire_done(struct wire *w, size_t at);
uint8_t get_8(struct packet *p);
uint16_t get_16(struct packet *p);
/* Skips the properties of MQTT 5.0. */
void get_properties(struct packet *p);

void send_connect(struct wire *w, const char *id, bool clean, uint16_t receive_maximum);
void send_subscribe(struct wire *w, uint16_t id, const char *filter, uint8_t qos);
void send_publish(struct wire *w, uint8_t flags, const char *topic, uint16_t id, const char *payload);
/* PUBACK, PUBREC, PUBREL, PUBCOMP. */
void send_ack(struct wire *w, uint8_t first, uint16_t id);
void send_disconnect(struct wire *w);

/* ---------------------------------------------------------------- ledger.c */

/* Something that must not be; printed, and counted. */
__attribute__((format(printf, 1, 2))) void wrong(const char *format, ...);
unsigned wrongs(void);

void ledger_reset(void);
/* A new message of that topic: its number. */
uint32_t ledger_sent(unsigned publisher, enum kind kind);
void ledger_acknowledged(unsigned publisher, enum kind kind, uint32_t number);
uint32_t ledger_next(unsigned publisher, enum kind kind);
/* From now on that subscriber has to get everything. */
void ledger_subscribed(unsigned subscriber);
/* A message arrived. once: it must not have been there before. */
void ledger_arrived(unsigned subscriber, unsigned publisher, unsigned kind, uint32_t number, bool once);
/* What is acknowledged and has not arrived, in all; say: as wrongs. */
uint64_t ledger_missing(bool say);
/* How many publishers have a retained message that was acknowledged. */
unsigned ledger_retained_wanted(void);
/* The number of a retained message that was found in the end. */
void ledger_retained(unsigned publisher, uint32_t number);
/* After ledger_retained for all that was found. */
void ledger_check_retained(void);
uint64_t ledger_published(void);
uint64_t ledger_confirmed(void);
uint64_t ledger_delivered(void);
uint64_t ledger_repeated(void);

/* ---------------------------------------------------------------- publisher.c */

struct flight {
    enum kind kind;
    uint32_t number;
    uint16_t id;
    bool received; /* PUBREC came */
};

struct publisher {
    struct wire w;
    unsigned index, qos;
    bool kept, connected, had_session;
    uint16_t last_id;
    unsigned n;
    struct flight flights[WINDOW]; /* in the order of their first sending */
    uint64_t retry_at, next_at;
};

/* qos: the highest that it uses. */
void publisher_init(struct publisher *p, unsigned index, unsigned qos);
void publisher_fini(struct publisher *p);
/* more: new messages too. */
void publisher_turn(struct publisher *p, uint16_t port, bool more);

/* ---------------------------------------------------------------- subscriber.c */

enum habit { ONLINE, FLAPPING, AWAY };

struct subscriber {
    struct wire w, old; /* old: the connection that was taken over */
    unsigned index;
    enum habit habit;
    uint8_t qos;
    bool connected, had_session, subscribed, quiet;
    unsigned acks_n;
    struct {
        uint8_t first;
        uint16_t id;
    } acks[256]; /* to be sent, in order */
    uint64_t hold_until, leave_at, join_at, retry_at;
    uint64_t arrivals;
    uint16_t last_id;
    uint8_t received[65536 / 8]; /* QoS 2 packet ids */
};

void subscriber_init(struct subscriber *s, unsigned index);
void subscriber_fini(struct subscriber *s);
/* all: everybody is to be online and to acknowledge at once. */
void subscriber_turn(struct subscriber *s, uint16_t port, bool all);

/* ---------------------------------------------------------------- rounds.c */

/* The program: options --rounds, --seed, --threads, --qos, --ms. power: the power is cut, instead of a kill. */
int crash_main(int argc, char **argv, bool power);
