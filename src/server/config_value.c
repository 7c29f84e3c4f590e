/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values: from text into fields, by the rows of the schema. */
#include "config_schema.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "sotto/base/mem.h"

struct unit {
    const char *name;
    uint64_t times;
};

static const struct unit size_units[] = {
    {"", 1}, {"K", 1024}, {"M", 1024 * 1024}, {"G", 1024 * 1024 * 1024}, {NULL, 0}};
static const struct unit time_units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const struct unit no_units[] = {{"", 1}, {NULL, 0}};

static void store(void *base, const struct config_key *k, uint64_t v)
{
    uint8_t *field = (uint8_t *)base + k->offset;
    switch (k->width) {
    case 0:
        break;
    case 1:
        *field = (uint8_t)v;
        break;
    case 2:
        memcpy(field, &(uint16_t){(uint16_t)v}, sizeof(uint16_t));
        break;
    case 4:
        memcpy(field, &(uint32_t){(uint32_t)v}, sizeof(uint32_t));
        break;
    default:
        assert(k->width == sizeof v);
        memcpy(field, &v, sizeof v);
    }
}

char **config_value_text(void *base, const struct config_key *k)
{
    return (char **)(void *)((uint8_t *)base + k->offset);
}

/* Takes the string over. */
static void store_text(void *base, const struct config_key *k, char *text)
{
    char **field = config_value_text(base, k);
    mem_free(*field);
    *field = text;
}

/* Digits and a unit; false where that is not what stands there, or it is too large for anything. */
static bool read_number(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t v = 0;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > UINT64_MAX / 10 - 1)
            return false;
        v = v * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return false;
    if (v == 0 && *p == '\0') {
        *out = 0;
        return true;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(p, units->name) == 0) {
            *out = v * units->times;
            return v <= UINT64_MAX / units->times;
        }
    }
    return false;
}

static const struct unit *units_of(const struct config_key *k)
{
    if (k->type == VALUE_SIZE)
        return size_units;
    return k->type == VALUE_MS || k->type == VALUE_SECONDS ? time_units : no_units;
}

static const struct config_choice *choice_of(const struct config_key *k, const char *text)
{
    for (const struct config_choice *c = k->choices; c != NULL && c->name != NULL; c++) {
        if (strcmp(c->name, text) == 0)
            return c;
    }
    return NULL;
}

static void describe_size(uint64_t v, char *out, size_t cap)
{
    static const char units[] = {'\0', 'K', 'M', 'G'};
    unsigned u = 0;
    for (; u < 3 && v >= 1024 && v % 1024 == 0; u++)
        v /= 1024;
    snprintf(out, cap, "%llu%c", (unsigned long long)v, units[u]);
}

static void describe_time(uint64_t ms, char *out, size_t cap)
{
    unsigned u = ms == 0 ? 1 : 0;
    for (unsigned i = 0; time_units[i].name != NULL && ms > 0; i++) {
        if (ms % time_units[i].times == 0)
            u = i;
    }
    snprintf(out, cap, "%llu%s", (unsigned long long)(ms / time_units[u].times), time_units[u].name);
}

static void describe_range(const struct config_key *k, char *out, size_t cap)
{
    char min[32], max[32];
    const char *what = "a number";
    if (k->type == VALUE_SIZE) {
        what = "a size (K, M, G)";
        describe_size(k->min, min, sizeof min);
        describe_size(k->max, max, sizeof max);
    } else if (k->type == VALUE_MS || k->type == VALUE_SECONDS) {
        uint64_t times = k->type == VALUE_MS ? 1 : 1000;
        what = "a time (ms, s, m, h, d)";
        describe_time(k->min * times, min, sizeof min);
        describe_time(k->max * times, max, sizeof max);
    } else {
        snprintf(min, sizeof min, "%llu", (unsigned long long)k->min);
        snprintf(max, sizeof max, "%llu", (unsigned long long)k->max);
    }
    snprintf(out, cap, "%s from %s to %s", what, min, max);
}

void config_value_describe(const struct config_key *k, char *out, size_t cap)
{
    size_t n = 0;
    out[0] = '\0';
    for (const struct config_choice *c = k->choices; c != NULL && c->name != NULL && n < cap; c++) {
        const char *between = c == k->choices                                                           ? ""
                              : c[1].name == NULL && k->type != VALUE_NUMBER && k->type != VALUE_TARGET ? " or "
                                                                                                        : ", ";
        n += (size_t)snprintf(out + n, cap - n, "%s%s", between, c->name);
    }
    if (n >= cap)
        return;
    switch (k->type) {
    case VALUE_NUMBER:
    case VALUE_SIZE:
    case VALUE_MS:
    case VALUE_SECONDS:
        n += (size_t)snprintf(out + n, cap - n, "%s", k->choices != NULL ? " or " : "");
        if (n < cap)
            describe_range(k, out + n, cap - n);
        break;
    case VALUE_TARGET:
        snprintf(out + n, cap - n, " or the path of a file");
        break;
    case VALUE_PATH:
    case VALUE_PAIR_PATH:
        snprintf(out + n, cap - n, "a path, relative to the folder of this file");
        break;
    case VALUE_ADDRESS:
        snprintf(out + n, cap - n, "an IPv4 or IPv6 address, or unix:PATH");
        break;
    case VALUE_TEXT:
        snprintf(out + n, cap - n, "text");
        break;
    case VALUE_CHOICE:
    case VALUE_FLAGS:
        break;
    }
}

static bool set_number(void *base, const struct config_key *k, const char *text, char *err, size_t cap)
{
    char allowed[160];
    uint64_t v;
    const struct config_choice *c = choice_of(k, text);
    bool readable = c == NULL && read_number(text, units_of(k), &v);
    bool too_fine = readable && k->type == VALUE_SECONDS && v % 1000 != 0;

    if (readable && k->type == VALUE_SECONDS)
        v /= 1000;
    if (c != NULL)
        v = c->value;
    if (c != NULL || (readable && !too_fine && v >= k->min && v <= k->max)) {
        store(base, k, v);
        return true;
    }
    config_value_describe(k, allowed, sizeof allowed);
    const char *why = !readable ? "is not a value of this key" : too_fine ? "is no whole seconds" : "is out of range";
    bool bare = !readable && units_of(k) == time_units && read_number(text, no_units, &v);
    snprintf(err, cap, "'%s' %s; write %s", text, bare ? "has no unit" : why, allowed);
    return false;
}

static bool set_choice(void *base, const struct config_key *k, const char *text, char *err, size_t cap)
{
    const struct config_choice *c = choice_of(k, text);
    if (c == NULL) {
        char allowed[160];
        config_value_describe(k, allowed, sizeof allowed);
        snprintf(err, cap, "'%s' is not a value of this key; write %s", text, allowed);
        return false;
    }
    uint8_t old = k->type == VALUE_FLAGS ? *((uint8_t *)base + k->offset) : 0;
    store(base, k, old | c->value);
    return true;
}

static char *absolute(const char *path, const char *folder)
{
    size_t n = strlen(folder), m = strlen(path);
    if (path[0] == '/' || n == 0)
        return mem_strndup(path, m);
    char *joined = mem_alloc(n + 1 + m + 1);
    snprintf(joined, n + 1 + m + 1, "%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", path);
    return joined;
}

static bool set_unix_address(void *base, const struct config_key *k, const char *path, const char *folder, char *err,
                             size_t cap)
{
    char *whole = absolute(path, folder);
    size_t n = strlen(whole), max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (path[0] == '\0' || n > max) {
        snprintf(err, cap, "the path of a unix socket has 1 to %zu bytes, this one %zu; choose another", max,
                 path[0] == '\0' ? 0 : n);
        mem_free(whole);
        return false;
    }
    char *address = mem_alloc(5 + n + 1);
    snprintf(address, 5 + n + 1, "unix:%s", whole);
    mem_free(whole);
    store_text(base, k, address);
    return true;
}

static bool set_address(void *base, const struct config_key *k, const char *text, const char *folder, char *err,
                        size_t cap)
{
    uint8_t binary[16];
    if (strncmp(text, "unix:", 5) == 0)
        return set_unix_address(base, k, text + 5, folder, err, cap);
    size_t n = strcspn(text, "%"); /* fe80::1%eth0 */
    char *host = mem_strndup(text, n);
    bool good = inet_pton(AF_INET6, host, binary) == 1 || (text[n] == '\0' && inet_pton(AF_INET, host, binary) == 1);
    mem_free(host);
    if (!good) {
        snprintf(err, cap,
                 "'%s' is not an address; write an IPv4 address (0.0.0.0: all), an IPv6 address without brackets "
                 "(::, all of both), or unix:PATH",
                 text);
        return false;
    }
    store_text(base, k, mem_strndup(text, strlen(text)));
    return true;
}

static void set_target(struct config *c, const struct config_key *k, const char *text, const char *folder)
{
    const struct config_choice *named = choice_of(k, text);
    mem_free((void *)(uintptr_t)c->log.path); /* ours; log.h only reads it */
    c->log.path = named == NULL ? absolute(text, folder) : NULL;
    c->log.target = named == NULL ? LOG_TO_FILE : (enum log_target)named->value;
}

bool config_value_set(void *base, const struct config_key *k, const char *text, const char *folder, char *err,
                      size_t err_cap)
{
    bool optional = k->type == VALUE_TEXT || k->type == VALUE_PATH || k->type == VALUE_PAIR_PATH;
    if (text[0] == '\0' && !optional) {
        char allowed[160];
        config_value_describe(k, allowed, sizeof allowed);
        snprintf(err, err_cap, "has no value; write %s, or take the line out", allowed);
        return false;
    }
    switch (k->type) {
    case VALUE_NUMBER:
    case VALUE_SIZE:
    case VALUE_MS:
    case VALUE_SECONDS:
        return set_number(base, k, text, err, err_cap);
    case VALUE_CHOICE:
    case VALUE_FLAGS:
        return set_choice(base, k, text, err, err_cap);
    case VALUE_ADDRESS:
        return set_address(base, k, text, folder, err, err_cap);
    case VALUE_TARGET:
        set_target(base, k, text, folder);
        return true;
    case VALUE_TEXT:
        store_text(base, k, text[0] != '\0' ? mem_strndup(text, strlen(text)) : NULL);
        return true;
    case VALUE_PATH:
    case VALUE_PAIR_PATH:
        store_text(base, k, text[0] != '\0' ? absolute(text, folder) : NULL);
        return true;
    }
    return false;
}

void config_value_defaults(void *base, const char *section)
{
    for (const struct config_key *k = config_keys; k->name != NULL; k++) {
        char err[160];
        if (strcmp(k->section, section) != 0 || k->def == NULL)
            continue;
        bool good = config_value_set(base, k, k->def, "", err, sizeof err);
        assert(good);
        (void)good;
    }
}
