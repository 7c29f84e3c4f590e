/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The schema table, and how values are read by it. Private to the files config_*.c. */
#pragma once

#include <stddef.h>

#include "sotto/server/config.h"

enum value_type {
    VALUE_NUMBER,    /* min..max, or one of the choices */
    VALUE_SIZE,      /* bytes; K, M, G */
    VALUE_MS,        /* a time, kept in milliseconds */
    VALUE_SECONDS,   /* a time, kept in seconds */
    VALUE_CHOICE,    /* one of the choices */
    VALUE_FLAGS,     /* a list: choices, or-ed */
    VALUE_TEXT,      /* kept as it is; empty: NULL */
    VALUE_PATH,      /* made absolute against the file's folder; empty: NULL */
    VALUE_PAIR_PATH, /* the same, of the listener's present certificate: a group of keys that `cert` opens */
    VALUE_ADDRESS,   /* a host's address, or unix:/path */
    VALUE_TARGET     /* of the log: a choice or a path */
};

struct config_choice {
    const char *name; /* NULL ends the list */
    uint64_t value;
};

/* One row a key. The field lies `offset` into struct config, or into struct config_listener for listeners, or into
 * struct tls_pair_files. */
struct config_key {
    const char *section; /* "listener" stands for every [listener.NAME] */
    const char *name;    /* NULL ends the table */
    enum value_type type;
    uint16_t offset, width; /* width 0: the value is checked, but there is nothing to keep */
    uint64_t min, max;      /* numbers, sizes; times in ms or seconds */
    const struct config_choice *choices;
    const char *def;     /* as it would stand in the file; NULL: absent */
    const char *def_doc; /* where the default is no constant: in words */
    const char *help;
};

#define CONFIG_KEYS_MAX 64
extern const struct config_key config_keys[];
/* Names of all sections for people and for the search of the nearest one; ends with NULL. */
extern const char *const config_sections[];

/*
 * Reads text into the row's field of base. folder: what relative paths are relative to ("" leaves them). False: err
 * says what is wrong with the value and what it may be; the field is unchanged. A path or text that was there is freed.
 */
bool config_value_set(void *base, const struct config_key *k, const char *text, const char *folder, char *err,
                      size_t err_cap);
/* Where a path or text is kept. */
char **config_value_text(void *base, const struct config_key *k);
/* The values that a row takes, in words. */
void config_value_describe(const struct config_key *k, char *out, size_t cap);
/* All defaults of a section ("listener": of a listener) into base. */
void config_value_defaults(void *base, const char *section);
/* A certificate more, with all keys absent; line: where it begins, 0: in no file. */
struct tls_pair_files *config_add_pair(struct config_listener *l, unsigned line);
/* Takes the i-th out. */
void config_drop_pair(struct config_listener *l, size_t i);
void config_listener_fini(struct config_listener *l);

/* One error: line 0: the file as a whole; section and key may be NULL. */
struct config_errors {
    const char *file;
    config_report report;
    void *ctx;
    unsigned n;
};
void config_error(struct config_errors *e, unsigned line, const char *section, const char *key, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void config_warning(struct config_errors *e, unsigned line, const char *section, const char *key, const char *format,
                    ...) __attribute__((format(printf, 5, 6)));

/* Where keys were set: lines by row of config_keys (0: nowhere). faulty: some line was refused, so nothing follows from
 * what is missing. */
struct config_section_lines {
    unsigned key[CONFIG_KEYS_MAX];
    bool faulty;
};
struct config_lines {
    unsigned auth_section;
    struct config_section_lines auth, global; /* auth: only its faulty is used */
    struct config_section_lines *listener;    /* one per listener */
};
/* The line where a listener's key stands, or 0. */
unsigned config_line_of(const struct config_lines *lines, size_t listener, const char *key);
/* What holds between several keys. */
void config_check(const struct config *c, const struct config_lines *lines, struct config_errors *e);
