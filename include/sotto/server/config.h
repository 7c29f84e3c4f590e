/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The configuration, as read from an ini file by the schema table: one row per key
 * {section, key, type, unit, range, default, help}, from which the parser, `sotto check`, docs/configuration.md and
 * the sample are made. A key whose function does not exist is not in the table, and is refused.
 */
#pragma once

#include "sotto/base/log.h"
#include "sotto/core/limits.h"
#include "sotto/core/shard.h"
#include "sotto/store/durable.h"
#include "sotto/transport/tls_context.h"

/* Whom root becomes where [broker] user is absent and this user exists. */
#define CONFIG_DEFAULT_USER "sotto"

struct config_listener {
    char *name;
    char *address;    /* host address, "::", or "unix:/path" */
    uint16_t port;    /* 0: the default of plain (1883) or TLS (8883) */
    uint8_t versions; /* bit 1 << enum proto */
    bool tls, anonymous;
    /* Paths are made absolute against the file's directory; NULL when absent. */
    struct tls_pair_files *pairs; /* each of cert, key, chain and key_passphrase_file, ours to free */
    unsigned *pair_lines;         /* where each begins; 0: in no file */
    size_t pairs_n;
    char *ciphers;
    char *client_ca, *crl, *psk_file; /* paths as well */
    enum tls_client_cert client_cert;
    enum tls_client_cert_user client_cert_user;
    enum auth_password password; /* besides what a certificate or shared key has shown */
    enum tls_version min_version, max_version;
    uint32_t ticket_lifetime; /* seconds; 0: no tickets */
    unsigned line;            /* of its section */
};

struct config {
    char *file;       /* NULL: built-in default */
    unsigned threads; /* 0: auto */
    char *data_dir, *user;
    bool persistence;
    enum durability durability;
    uint64_t flush_interval, retained_flush; /* ms */
    struct log_config log;
    char *tls_keylog; /* path, or NULL */
    bool anonymous;
    char *users; /* path, or NULL */
    struct limits limits;
    struct config_listener *listeners;
    size_t listeners_n;
};

/* Does TLS show who a client of this listener is: by its certificate or by a shared key? */
bool config_names_clients(const struct config_listener *l);
/* What its TLS context is made from. Views into l. */
struct tls_settings config_tls_settings(const struct config_listener *l);

/* Prints one line an error to the given function: "FILE:LINE: [section] key: what, why, what to do". */
typedef void (*config_report)(void *ctx, const char *line);

/* NULL if there was any error; all errors are reported at once. */
struct config *config_load(const char *path, config_report report, void *ctx);
/* For `sotto check`, which goes on to the files that are named: what could be read, whatever the errors were (*errors,
 * all reported). NULL only where the file can't be read. */
struct config *config_inspect(const char *path, config_report report, void *ctx, unsigned *errors);
/* The same from text in memory; path is for messages and relative paths. */
struct config *config_parse(const char *path, struct bytes text, config_report report, void *ctx);
/* No configuration at all: loopback only, 1883 and 8883, local clients without a password, certificates of its own in
 * the data directory. */
struct config *config_default(void);
void config_free(struct config *c);
/* docs/configuration.md, from the schema. */
void config_write_reference(void (*put)(void *ctx, const char *text), void *ctx);
