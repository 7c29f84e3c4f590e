/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A raw peer of the broker. What it sends and expects is written in a small language, after printf-like expansion:
 *   hex digits   bytes            10 0c 003c
 *   'text'       bytes            'hello'
 *   <text>       an MQTT string: two bytes of length, then the bytes
 * Packets get their remaining length from the helper; peer_send and peer_expect take every byte from the text.
 */
struct peer;

struct peer *peer_tcp(uint16_t port);
struct peer *peer_tcp6(uint16_t port);
struct peer *peer_unix(const char *path);
/* TLS, verified against the CA file, for the name "localhost". minor: 2 or 3 for exactly TLS 1.2 or 1.3, 0 for either.
 */
struct peer *peer_tls(uint16_t port, const char *ca_file, int minor);
/* The same, but returns NULL where connecting or the handshake failed. */
struct peer *peer_tls_try(uint16_t port, const char *ca_file, const char *host, int minor);
/* The same with a certificate of its own (PEM files), in TLS 1.3, for "localhost". */
struct peer *peer_tls_with(uint16_t port, const char *ca_file, const char *cert, const char *key);
/* Closes in order (TLS: with close_notify), and frees. */
void peer_close(struct peer *p);
/* Closes with a reset, as a crashed machine's stack would; frees. */
void peer_abort(struct peer *p);
int peer_fd(const struct peer *p);

__attribute__((format(printf, 2, 3))) void peer_send(struct peer *p, const char *format, ...);
void peer_send_bytes(struct peer *p, const void *data, size_t size);
__attribute__((format(printf, 3, 4))) void peer_packet(struct peer *p, uint8_t first, const char *format, ...);
__attribute__((format(printf, 2, 3))) void peer_expect(struct peer *p, const char *format, ...);
__attribute__((format(printf, 3, 4))) void peer_expect_packet(struct peer *p, uint8_t first, const char *format, ...);
/* Exactly size bytes. */
void peer_read_bytes(struct peer *p, void *data, size_t size);
/* One whole packet; *body is malloced and *size its length. Returns the first byte. */
uint8_t peer_read_packet(struct peer *p, uint8_t **body, size_t *size);
/* The broker closes (or resets) the connection and sends nothing before. */
void peer_expect_close(struct peer *p);
/* The broker closes the connection, whatever it sends before. */
void peer_expect_close_after_anything(struct peer *p);
/* Reads over what has come so far, without waiting. False: the connection is closed. */
bool peer_discard(struct peer *p);
/* Sends as peer_packet does; false where the connection is closed. */
__attribute__((format(printf, 3, 4))) bool peer_try_packet(struct peer *p, uint8_t first, const char *format, ...);
/* Sends the one and expects the other; false where the connection is, or gets, closed instead. */
bool peer_try_exchange(struct peer *p, const char *send, const char *expected);
/* Nothing comes for some milliseconds. */
void peer_expect_silence(struct peer *p, unsigned milliseconds);
/* All that was sent has been read: PINGREQ, and nothing comes before its PINGRESP. Proves silence without waiting. */
void peer_ping(struct peer *p);
/* The same, but reads over everything that comes before. */
void peer_drain(struct peer *p);

/* CONNECT of 3.1.1 with the client id, keep-alive 0, and CONNACK 0. */
void peer_connect(struct peer *p, const char *client, bool clean, bool expect_session);
/* SUBSCRIBE to one filter, and its SUBACK with that QoS. */
void peer_subscribe(struct peer *p, uint16_t id, const char *filter, unsigned qos);
/* DISCONNECT, wait for the broker's close, free. */
void peer_disconnect(struct peer *p);
/* One PUBLISH is expected; returns its packet id (0 at QoS 0). flags: the low four bits of the first byte. */
uint16_t peer_expect_publish(struct peer *p, uint8_t flags, const char *topic, const char *payload);

/* Shorthands that most tests begin with: a plain peer that is connected with a clean session. */
struct peer *client(uint16_t port, const char *name);
/* A session that is kept. */
struct peer *durable_client(uint16_t port, const char *name, bool expect_session);
