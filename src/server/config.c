/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From lines to a configuration. Nothing stops at the first error: each line is judged on its own, what holds between
 * several keys comes last (config_check.c), and where anything was wrong there is no configuration at all.
 */
#include "config_schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sotto/base/file_why.h"
#include "sotto/base/mem.h"
#include "sotto/codec/packet.h"
#include "sotto/store/ini_lines.h"

#define ANY_VERSION (1 << PROTO_31 | 1 << PROTO_311 | 1 << PROTO_5)
#define LISTENER_PREFIX "listener."

struct seen {
    char *section;
    unsigned line;
};

struct parse {
    struct config *c;
    struct config_lines lines;
    struct config_errors errors;
    char *folder; /* of the file */
    struct seen *seen;
    size_t seen_n;
    enum { NOT_KNOWN, GLOBAL_SECTION, LISTENER_SECTION } section;
};

static void report(struct config_errors *e, const char *mark, unsigned line, const char *section, const char *key,
                   const char *text)
{
    char out[1024], place[24] = "", where[160] = "";
    if (line > 0)
        snprintf(place, sizeof place, "%u: ", line);
    if (section != NULL)
        snprintf(where, sizeof where, "[%s]%s%s: ", section, key != NULL ? " " : "", key != NULL ? key : "");
    else if (key != NULL)
        snprintf(where, sizeof where, "%s: ", key);
    snprintf(out, sizeof out, "%s:%s%s%s%s%s", e->file, line > 0 ? "" : " ", place, mark, where, text);
    e->report(e->ctx, out);
}

void config_error(struct config_errors *e, unsigned line, const char *section, const char *key, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->n++;
    report(e, "", line, section, key, text);
}

void config_warning(struct config_errors *e, unsigned line, const char *section, const char *key, const char *format,
                    ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report(e, "warning: ", line, section, key, text);
}

/* ---------------------------------------------------------------- sections */

static bool listener_name_valid(const char *name)
{
    if (name[0] == '\0')
        return false;
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && strchr("-_.", *name) == NULL)
            return false;
    }
    return true;
}

static void add_listener(struct parse *p, unsigned line, const char *name)
{
    struct config *c = p->c;
    size_t n = c->listeners_n++;
    c->listeners = mem_realloc(c->listeners, c->listeners_n * sizeof *c->listeners);
    p->lines.listener = mem_realloc(p->lines.listener, c->listeners_n * sizeof *p->lines.listener);
    c->listeners[n] = (struct config_listener){.name = mem_strndup(name, strlen(name)), .line = line};
    p->lines.listener[n] = (struct config_section_lines){.faulty = false};
    config_value_defaults(&c->listeners[n], "listener");
}

static bool section_known(const char *section)
{
    for (const char *const *s = config_sections; *s != NULL; s++) {
        if (strcmp(*s, section) == 0 && strncmp(section, LISTENER_PREFIX, strlen(LISTENER_PREFIX)) != 0)
            return true;
    }
    return false;
}

static void unknown_section(struct parse *p, unsigned line, const char *section)
{
    const char *near = ini_lines_nearest(section, config_sections);
    if (strcmp(section, "listener") == 0)
        near = "listener.NAME";
    if (near != NULL)
        config_error(&p->errors, line, section, NULL, "unknown section; did you mean [%s]?", near);
    else
        config_error(&p->errors, line, section, NULL,
                     "unknown section; there are [broker], [log], [auth], [limits] and [listener.NAME]");
}

/* The line where a section of this name stood before; else notes it and returns 0. */
static unsigned seen_before(struct parse *p, unsigned line, const char *section)
{
    for (size_t i = 0; i < p->seen_n; i++) {
        if (strcmp(p->seen[i].section, section) == 0)
            return p->seen[i].line;
    }
    p->seen = mem_realloc(p->seen, (p->seen_n + 1) * sizeof *p->seen);
    p->seen[p->seen_n++] = (struct seen){mem_strndup(section, strlen(section)), line};
    return 0;
}

static void on_section(void *ctx, unsigned line, const char *section)
{
    struct parse *p = ctx;
    size_t prefix = strlen(LISTENER_PREFIX);
    bool listener = strncmp(section, LISTENER_PREFIX, prefix) == 0;

    p->section = NOT_KNOWN;
    if (!listener && !section_known(section)) {
        unknown_section(p, line, section);
        return;
    }
    if (listener && !listener_name_valid(section + prefix)) {
        config_error(&p->errors, line, section, NULL,
                     "not a listener's name; write [listener.NAME], NAME of letters, digits, '-', '_' and '.'");
        return;
    }
    unsigned before = seen_before(p, line, section);
    if (before != 0) {
        config_error(
            &p->errors, line, section, NULL,
            "the section is there already, on line %u; put its keys together, or give a new listener a name of "
            "its own",
            before);
        return;
    }
    p->section = listener ? LISTENER_SECTION : GLOBAL_SECTION;
    if (listener)
        add_listener(p, line, section + prefix);
    if (strcmp(section, "auth") == 0)
        p->lines.auth_section = line;
}

/* -------------------------------------------------------------------- keys */

static const struct config_key *find_key(const char *section, const char *name)
{
    for (const struct config_key *k = config_keys; k->name != NULL; k++) {
        if (strcmp(k->name, name) == 0 && (section == NULL || strcmp(k->section, section) == 0))
            return k;
    }
    return NULL;
}

static void unknown_key(struct parse *p, unsigned line, const char *section, const char *table, const char *key)
{
    const char *names[CONFIG_KEYS_MAX + 1];
    size_t n = 0;
    for (const struct config_key *k = config_keys; k->name != NULL; k++) {
        if (strcmp(k->section, table) == 0)
            names[n++] = k->name;
    }
    names[n] = NULL;
    const char *near = ini_lines_nearest(key, names);
    const struct config_key *elsewhere = find_key(NULL, key);
    if (elsewhere != NULL)
        config_error(&p->errors, line, section, key, "not a key of this section; it belongs into [%s%s]",
                     elsewhere->section, strcmp(elsewhere->section, "listener") == 0 ? ".NAME" : "");
    else if (near != NULL)
        config_error(&p->errors, line, section, key, "unknown key; did you mean '%s'?", near);
    else
        config_error(&p->errors, line, section, key,
                     "unknown key; take it out (`sotto help --reference` lists all keys of this version)");
}

static void on_fault(void *ctx, unsigned line, const char *section, const char *key, const char *text)
{
    struct parse *p = ctx;
    const struct config_key *k = key != NULL && p->section == LISTENER_SECTION ? find_key("listener", key) : NULL;
    if (p->section == LISTENER_SECTION) {
        struct config_section_lines *lines = &p->lines.listener[p->c->listeners_n - 1];
        lines->faulty = true;
        if (k != NULL)
            lines->key[k - config_keys] = line;
    }
    if (section != NULL && strcmp(section, "auth") == 0)
        p->lines.auth.faulty = true;
    if (section == NULL && key == NULL)
        p->section = NOT_KNOWN;
    config_error(&p->errors, line, section, key, "%s", text);
}

struct tls_pair_files *config_add_pair(struct config_listener *l, unsigned line)
{
    l->pairs = mem_realloc(l->pairs, (l->pairs_n + 1) * sizeof *l->pairs);
    l->pair_lines = mem_realloc(l->pair_lines, (l->pairs_n + 1) * sizeof *l->pair_lines);
    l->pairs[l->pairs_n] = (struct tls_pair_files){.cert = NULL};
    l->pair_lines[l->pairs_n] = line;
    return &l->pairs[l->pairs_n++];
}

/* The group that a key of a certificate belongs to: `cert` opens the next one. NULL: it has that key already. */
static struct tls_pair_files *pair_of(struct parse *p, const struct config_key *k, unsigned line, const char *section)
{
    struct config_listener *l = &p->c->listeners[p->c->listeners_n - 1];
    struct tls_pair_files *last = l->pairs_n > 0 ? &l->pairs[l->pairs_n - 1] : NULL;
    if (last == NULL || (last->cert != NULL && strcmp(k->name, "cert") == 0))
        return config_add_pair(l, line);
    if (*config_value_text(last, k) == NULL)
        return last;
    config_error(&p->errors, line, section, k->name,
                 "the certificate of line %u has that already; each certificate begins with its cert, and its other "
                 "keys follow",
                 l->pair_lines[l->pairs_n - 1]);
    return NULL;
}

static void on_entry(void *ctx, unsigned line, const char *section, const char *key, const char *value)
{
    struct parse *p = ctx;
    if (p->section == NOT_KNOWN)
        return;
    bool listener = p->section == LISTENER_SECTION;
    const struct config_key *k = find_key(listener ? "listener" : section, key);
    if (k == NULL) {
        unknown_key(p, line, section, listener ? "listener" : section, key);
        return;
    }
    size_t last = p->c->listeners_n - 1;
    struct config_section_lines *lines = listener ? &p->lines.listener[last] : &p->lines.global;
    unsigned *before = &lines->key[k - config_keys];
    bool of_pair = k->type == VALUE_PAIR_PATH;
    if (*before != 0 && k->type != VALUE_FLAGS && !of_pair) {
        config_error(&p->errors, line, section, key, "the key is there already, on line %u; keep one of them", *before);
        return;
    }
    *before = line;
    char err[512];
    void *base = of_pair    ? (void *)pair_of(p, k, line, section)
                 : listener ? (void *)&p->c->listeners[last]
                            : (void *)p->c;
    if (base == NULL)
        return;
    if (!config_value_set(base, k, value, p->folder, err, sizeof err))
        on_fault(p, line, section, key, err);
}

/* ------------------------------------------------------------------- whole */

unsigned config_line_of(const struct config_lines *lines, size_t listener, const char *key)
{
    return lines->listener[listener].key[find_key("listener", key) - config_keys];
}

static void free_pair(const struct tls_pair_files *p)
{
    mem_free((void *)(uintptr_t)p->cert);
    mem_free((void *)(uintptr_t)p->key);
    mem_free((void *)(uintptr_t)p->chain);
    mem_free((void *)(uintptr_t)p->key_passphrase_file);
}

void config_drop_pair(struct config_listener *l, size_t i)
{
    free_pair(&l->pairs[i]);
    l->pairs_n--;
    memmove(&l->pairs[i], &l->pairs[i + 1], (l->pairs_n - i) * sizeof *l->pairs);
    memmove(&l->pair_lines[i], &l->pair_lines[i + 1], (l->pairs_n - i) * sizeof *l->pair_lines);
}

/* A group whose keys are all without a value is none. */
static void drop_empty_pairs(struct config_listener *l)
{
    for (size_t i = l->pairs_n; i > 0; i--) {
        const struct tls_pair_files *p = &l->pairs[i - 1];
        if (p->cert == NULL && p->key == NULL && p->chain == NULL && p->key_passphrase_file == NULL)
            config_drop_pair(l, i - 1);
    }
}

/* What depends on other keys when it is absent. */
static void complete(struct config *c, const struct config_lines *lines)
{
    for (size_t i = 0; i < c->listeners_n; i++) {
        struct config_listener *l = &c->listeners[i];
        if (config_line_of(lines, i, "anonymous") == 0)
            l->anonymous = c->anonymous;
        if (l->versions == 0)
            l->versions = ANY_VERSION;
        drop_empty_pairs(l);
        if (l->port == 0 && strncmp(l->address, "unix:", 5) != 0)
            l->port = l->tls ? 8883 : 1883;
    }
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = mem_strndup(path, slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path));
    char *real = realpath(slash == NULL ? "." : folder, NULL);
    if (real != NULL) {
        mem_free(folder);
        folder = mem_strndup(real, strlen(real));
        free(real);
    }
    return folder;
}

/* Reads what can be read; the number of errors in *errors. */
static struct config *parse_all(const char *path, struct bytes text, config_report put, void *ctx, unsigned *errors)
{
    static const struct ini_events events = {on_section, on_entry, on_fault};
    struct parse p = {.c = mem_alloc(sizeof *p.c), .errors = {path, put, ctx, 0}, .folder = folder_of(path)};

    p.c->file = mem_strndup(path, strlen(path));
    for (size_t i = 0; i < 4; i++)
        config_value_defaults(p.c, config_sections[i]);
    ini_lines_parse(text, &events, &p);
    complete(p.c, &p.lines);
    config_check(p.c, &p.lines, &p.errors);
    for (size_t i = 0; i < p.seen_n; i++)
        mem_free(p.seen[i].section);
    mem_free(p.seen);
    mem_free(p.lines.listener);
    mem_free(p.folder);
    *errors = p.errors.n;
    return p.c;
}

static struct config *only_without(unsigned errors, struct config *c)
{
    if (errors == 0)
        return c;
    config_free(c);
    return NULL;
}

struct config *config_parse(const char *path, struct bytes text, config_report put, void *ctx)
{
    unsigned errors;
    struct config *c = parse_all(path, text, put, ctx, &errors);
    return only_without(errors, c);
}

struct config *config_inspect(const char *path, config_report put, void *ctx, unsigned *found)
{
    struct config_errors errors = {path, put, ctx, 0};
    struct bytes text;
    int err = ini_lines_load(path, &text, NULL);
    if (err != 0) {
        char why[512];
        file_why_read(path, err, why, sizeof(why));
        config_error(&errors, 0, NULL, NULL, "%s", why);
        *found = errors.n;
        return NULL;
    }
    struct config *c = parse_all(path, text, put, ctx, found);
    mem_free((void *)(uintptr_t)text.p);
    return c;
}

struct config *config_load(const char *path, config_report put, void *ctx)
{
    unsigned errors;
    struct config *c = config_inspect(path, put, ctx, &errors);
    return only_without(errors, c);
}

bool config_names_clients(const struct config_listener *l)
{
    bool certificate = l->client_cert != TLS_CLIENT_CERT_NONE && l->client_cert_user != TLS_CLIENT_CERT_USER_NONE;
    return certificate || l->psk_file != NULL;
}

struct tls_settings config_tls_settings(const struct config_listener *l)
{
    return (struct tls_settings){.pairs = l->pairs,
                                 .pairs_n = l->pairs_n,
                                 .min_version = l->min_version,
                                 .max_version = l->max_version,
                                 .ciphers = l->ciphers,
                                 .client_cert = l->client_cert,
                                 .client_cert_user = l->client_cert_user,
                                 .client_ca = l->client_ca,
                                 .crl = l->crl,
                                 .psk_file = l->psk_file};
}

void config_listener_fini(struct config_listener *l)
{
    mem_free(l->name);
    mem_free(l->address);
    for (size_t i = 0; i < l->pairs_n; i++)
        free_pair(&l->pairs[i]);
    mem_free(l->pairs);
    mem_free(l->pair_lines);
    mem_free(l->ciphers);
    mem_free(l->client_ca);
    mem_free(l->crl);
    mem_free(l->psk_file);
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->listeners_n; i++)
        config_listener_fini(&c->listeners[i]);
    mem_free(c->listeners);
    mem_free(c->file);
    mem_free(c->data_dir);
    mem_free(c->user);
    mem_free(c->users);
    mem_free(c->tls_keylog);
    mem_free((void *)(uintptr_t)c->log.path);
    mem_free(c);
}
