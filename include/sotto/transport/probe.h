/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client that looks: it connects, offers just what it is told to, believes every certificate, and remembers what
 * came. For diagnosis only: never send a secret through it. Blocking, each step with a time limit of its own; for
 * programs of their own, not for the broker. wolfSSL must be started (tls_init).
 */
#pragma once

#include <sys/socket.h>

#include "sotto/base/bytes.h"
#include "sotto/transport/tls_context.h"
#include "sotto/transport/x509.h"

#define PROBE_ADDRESSES 8
#define PROBE_SECONDS 5

struct probe_address {
    struct sockaddr_storage address;
    socklen_t size;
    char text[64];
};

/* How many were found; 0 with the reason in why. */
size_t probe_resolve(const char *host, uint16_t port, struct probe_address out[PROBE_ADDRESSES], char *why, size_t cap);

struct probe;

enum probe_end {
    PROBE_FINE,
    PROBE_TIMEOUT, /* nothing more came for PROBE_SECONDS */
    PROBE_CLOSED,  /* the other end closed (or reset) the connection */
    PROBE_ALERT,   /* it refused with an alert */
    PROBE_BROKEN,  /* what came could not be understood */
    PROBE_UNABLE,  /* this build of wolfSSL can't offer that */
};

/* A TCP connection; NULL with the errno in *error. */
struct probe *probe_open(const struct probe_address *a, int *error);
/* Closes (TLS: says so before), frees. NULL is fine. */
void probe_close(struct probe *p);

struct probe_session;

struct probe_offer {
    enum tls_version min, max;
    const char *suites;           /* wolfSSL's names with colons; NULL: all that Sotto knows, of these versions */
    const char *name;             /* SNI; NULL: none (addresses have none) */
    unsigned max_fragment;        /* 512, 1024, 2048, 4096; 0: not asked for */
    bool only_p256;               /* TLS 1.2: the one curve of small devices */
    struct probe_session *resume; /* of an earlier connection, or NULL */
    bool tickets;
};

/* The handshake. */
enum probe_end probe_tls(struct probe *p, const struct probe_offer *o);
/* All bytes, or how it ended. */
enum probe_end probe_send(struct probe *p, struct bytes b);
/* Exactly n bytes, or how it ended. */
enum probe_end probe_receive(struct probe *p, uint8_t *out, size_t n);
/* What to resume later; NULL where there is nothing. In TLS 1.3 the ticket comes with the first bytes that are
 * received. */
struct probe_session *probe_session_take(struct probe *p);
/* NULL is fine. */
void probe_session_free(struct probe_session *s);

/* ---- what came; good until probe_close ---- */

/* The certificates as they were sent, the server's first. Empty when none came, or the session was resumed. */
const struct x509_pool *probe_chain(const struct probe *p);
/* "TLSv1.3", "TLS13-AES128-GCM-SHA256"; NULL before the handshake is done. */
const char *probe_version(const struct probe *p);
const char *probe_suite(const struct probe *p);
bool probe_resumed(const struct probe *p);
/* The description of the fatal alert that came; -1: none. */
int probe_alert(const struct probe *p);
/* "handshake failure" */
const char *probe_alert_words(int alert);
/* The first bytes of all that came, at most 16. */
struct bytes probe_first_bytes(const struct probe *p);
/* The longest record, without its header, of the handshake or of all. */
size_t probe_longest_record(const struct probe *p);
/* A handshake message (of those that are not encrypted) went on in another record. */
bool probe_message_spans(const struct probe *p);
/* wolfSSL's words for what was last wrong. Static storage of p. */
const char *probe_trouble(struct probe *p);

/* The suites of a version that Sotto knows, ended by NULL; wolfSSL's names. */
const char *const *probe_suites(enum tls_version v);
