/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The users file as a snapshot: sections in a hash map by name, the rights of each compiled once and shared by
 * reference. What a rule may be is judged here, with the variables standing for a name of one letter.
 */
#include "sotto/store/users.h"

#include <stdatomic.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sotto/base/file_why.h"
#include "sotto/base/hash.h"
#include "sotto/base/hmap.h"
#include "sotto/base/mem.h"
#include "sotto/base/random.h"
#include "sotto/codec/topic.h"
#include "sotto/codec/user_name.h"
#include "sotto/store/ini_lines.h"
#include "sotto/store/password.h"

struct user {
    struct bytes name;
    unsigned line; /* of its section */
    char *password;
    struct scram_verifier *scram;
    unsigned password_line, scram_line;
    struct rule *rules;
    size_t rules_n;
    struct rights *rights;
};

struct users {
    atomic_uint refs;
    struct hash_key key;
    struct hmap by_name; /* struct user, "*" not among them */
    struct user **list;  /* all with a section of their own, in order */
    size_t n;
    struct user *everyone; /* [*], or NULL */
    struct rights *anonymous;
    struct user **with_scram; /* those of list that have a verifier */
    size_t with_scram_n;
    uint8_t scram_key[SCRAM_KEY_SIZE]; /* of decoys: the same for the same verifiers */
};

static const char *const keys[] = {"password", "scram", "publish", "subscribe", "deny", NULL};

/* -------------------------------------------------------------------- life */

static struct user *user_new(const char *name, unsigned line)
{
    struct user *user = mem_alloc(sizeof *user);
    user->name = bytes_str(mem_strndup(name, strlen(name)));
    user->line = line;
    return user;
}

static void user_free(struct user *user)
{
    if (user == NULL)
        return;
    for (size_t i = 0; i < user->rules_n; i++)
        mem_free((void *)(uintptr_t)user->rules[i].filter.p);
    if (user->password != NULL)
        bytes_wipe(user->password, strlen(user->password));
    mem_free(user->password);
    if (user->scram != NULL)
        bytes_wipe(user->scram, sizeof *user->scram);
    mem_free(user->scram);
    mem_free(user->rules);
    mem_free((void *)(uintptr_t)user->name.p);
    rights_unref(user->rights);
    mem_free(user);
}

static struct users *users_new(void)
{
    struct users *u = mem_alloc(sizeof *u);
    atomic_init(&u->refs, 1);
    hash_key_draw(&u->key);
    hmap_init(&u->by_name);
    random_bytes(u->scram_key, sizeof u->scram_key);
    return u;
}

struct users *users_ref(struct users *u)
{
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    return u;
}

void users_unref(struct users *u)
{
    if (u == NULL || atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < u->n; i++)
        user_free(u->list[i]);
    user_free(u->everyone);
    hmap_fini(&u->by_name);
    rights_unref(u->anonymous);
    mem_free(u->with_scram);
    mem_free(u->list);
    bytes_wipe(u->scram_key, sizeof u->scram_key);
    mem_free(u);
}

static bool user_is(const void *entry, struct bytes name)
{
    const struct user *user = entry;
    return bytes_equal(user->name, name);
}

static struct user *find(const struct users *u, struct bytes name)
{
    return hmap_get(&u->by_name, hash_bytes(&u->key, name), name, user_is);
}

/* Takes user over; false without memory. */
static bool add(struct users *u, struct user *user)
{
    u->list = mem_realloc(u->list, (u->n + 1) * sizeof(struct user *));
    u->list[u->n++] = user;
    return hmap_add(&u->by_name, hash_bytes(&u->key, user->name), user);
}

/* ------------------------------------------------------------------ rights */

static void compile(struct user *user, const struct user *everyone)
{
    size_t others = everyone != NULL ? everyone->rules_n : 0, n = user->rules_n + others;
    struct rule *rules = mem_alloc(n * sizeof *rules);
    bool named = false;
    for (size_t i = 0; i < n; i++) {
        rules[i] = i < user->rules_n ? user->rules[i] : everyone->rules[i - user->rules_n];
        named |= rules[i].kind != RULE_DENY;
    }
    user->rights = rights_new(user->name, rules, n, !named);
    mem_free(rules);
}

static void compile_all(struct users *u)
{
    for (size_t i = 0; i < u->n; i++)
        compile(u->list[i], u->everyone);
    /* Where [*] is there, clients without a section have what it grants and nothing else. */
    u->anonymous = u->everyone != NULL ? rights_new(bytes_of(NULL, 0), u->everyone->rules, u->everyone->rules_n, false)
                                       : rights_new(bytes_of(NULL, 0), NULL, 0, true);
}

/* ------------------------------------------------------------------- scram */

static void gather_scram(struct users *u)
{
    static const uint8_t start[SCRAM_KEY_SIZE];
    u->with_scram = mem_alloc(u->n * sizeof(struct user *));
    for (size_t i = 0; i < u->n; i++) {
        if (u->list[i]->scram == NULL)
            continue;
        if (u->with_scram_n == 0)
            memcpy(u->scram_key, start, sizeof start);
        u->with_scram[u->with_scram_n++] = u->list[i];
        scram_verifier_mix(u->scram_key, u->list[i]->scram);
    }
}

/* ----------------------------------------------------------------- reading */

struct reading {
    struct users *u;
    struct user *now; /* of the section being read; NULL: of none that is good */
    const char *file;
    users_report report;
    void *ctx;
    bool failed;
};

static void fault(struct reading *r, unsigned line, const char *section, const char *key, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static void fault(struct reading *r, unsigned line, const char *section, const char *key, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->failed = true;
    r->report(r->ctx, false, r->file, line, section, key, text);
}

_Static_assert(USER_NAME_MAX <= INI_NAME_MAX, "a user's name is the name of a section");

const char *users_name_fault(struct bytes name)
{
    return user_name_fault(name);
}

static void on_section(void *ctx, unsigned line, const char *section)
{
    struct reading *r = ctx;
    bool everyone = strcmp(section, "*") == 0;
    const char *why = everyone ? NULL : users_name_fault(bytes_str(section));
    const struct user *before = everyone ? r->u->everyone : find(r->u, bytes_str(section));

    r->now = NULL;
    if (strncmp(section, "group:", 6) == 0) {
        fault(r, line, section, NULL,
              "groups are not there yet in this version; write the rules under each user, or under [*] for all");
    } else if (why != NULL) {
        fault(r, line, section, NULL, "%s", why);
    } else if (before != NULL) {
        fault(r, line, section, NULL, "the section is there already, on line %u; put its lines together", before->line);
    } else {
        r->now = user_new(section, line);
        if (everyone)
            r->u->everyone = r->now;
        else if (!add(r->u, r->now))
            fault(r, line, section, NULL, "no memory for so many users; give the machine more");
    }
}

static void set_password(struct reading *r, unsigned line, const char *section, const char *value)
{
    const char *why = password_hash_fault(value);
    if (r->now == r->u->everyone)
        fault(r, line, section, "password", "[*] is no user and has no password; take the line out");
    else if (r->now->password_line != 0)
        fault(r, line, section, "password", "the key is there already, on line %u; keep one of them",
              r->now->password_line);
    else if (why != NULL)
        fault(r, line, section, "password", "%s; set it with `sotto passwd %s '%s'`", why, r->file, section);
    else
        r->now->password = mem_strndup(value, strlen(value));
    if (r->now->password_line == 0)
        r->now->password_line = line;
}

static void set_scram(struct reading *r, unsigned line, const char *section, const char *value)
{
    struct scram_verifier v;
    const char *why = scram_verifier_read(value, &v);
    if (r->now == r->u->everyone) {
        fault(r, line, section, "scram", "[*] is no user and has no password; take the line out");
    } else if (r->now->scram_line != 0) {
        fault(r, line, section, "scram", "the key is there already, on line %u; keep one of them", r->now->scram_line);
    } else if (why != NULL) {
        fault(r, line, section, "scram", "%s; set the password with `sotto passwd %s '%s'`, or take the line out", why,
              r->file, section);
    } else {
        r->now->scram = mem_alloc(sizeof v);
        *r->now->scram = v;
    }
    if (r->now->scram_line == 0)
        r->now->scram_line = line;
    bytes_wipe(&v, sizeof v);
}

/* The filter with its variables as a name of one letter. */
static bool rule_valid(const char *value)
{
    size_t n = strlen(value), m = 0;
    char *plain = mem_alloc(n + 1);
    for (size_t i = 0; i < n; i++) {
        bool variable = value[i] == '%' && (value[i + 1] == 'u' || value[i + 1] == 'c');
        plain[m++] = variable ? 'x' : value[i];
        i += variable;
    }
    bool valid = utf8_valid(bytes_of(plain, m)) && filter_valid(bytes_of(plain, m));
    mem_free(plain);
    return valid;
}

static void add_rule(struct reading *r, unsigned line, const char *section, const char *key, const char *value)
{
    struct user *user = r->now;
    if (strncmp(value, "$share/", 7) == 0) {
        fault(r, line, section, key, "a rule names topics, not shares; write it without $share/GROUP/");
        return;
    }
    if (!rule_valid(value)) {
        fault(r, line, section, key,
              "'%s' is not a topic filter; '+' stands for one whole level, '#' for all the rest and comes last", value);
        return;
    }
    user->rules = mem_realloc(user->rules, (user->rules_n + 1) * sizeof *user->rules);
    struct rule *rule = &user->rules[user->rules_n++];
    rule->kind = key[0] == 'p' ? RULE_PUBLISH : key[0] == 's' ? RULE_SUBSCRIBE : RULE_DENY;
    rule->filter = bytes_str(mem_strndup(value, strlen(value)));
    if (rule->kind == RULE_PUBLISH && (strcmp(value, "$SYS") == 0 || strncmp(value, "$SYS/", 5) == 0))
        r->report(r->ctx, true, r->file, line, section, key,
                  "nobody may write $SYS; this line has no effect: take it out");
}

static void on_entry(void *ctx, unsigned line, const char *section, const char *key, const char *value)
{
    struct reading *r = ctx;
    if (r->now == NULL)
        return;
    if (strcmp(key, "password") == 0) {
        set_password(r, line, section, value);
        return;
    }
    if (strcmp(key, "scram") == 0) {
        set_scram(r, line, section, value);
        return;
    }
    for (const char *const *k = keys; *k != NULL; k++) {
        if (strcmp(key, *k) == 0) {
            add_rule(r, line, section, key, value);
            return;
        }
    }
    const char *near = ini_lines_nearest(key, keys);
    if (strcmp(key, "group") == 0 || strcmp(key, "groups") == 0)
        fault(r, line, section, key,
              "groups are not there yet in this version; write the rules under each user, or [*]");
    else if (near != NULL)
        fault(r, line, section, key, "unknown key; did you mean '%s'?", near);
    else
        fault(r, line, section, key, "unknown key; there are password, scram, publish, subscribe and deny");
}

static void on_fault(void *ctx, unsigned line, const char *section, const char *key, const char *text)
{
    struct reading *r = ctx;
    if (section == NULL)
        r->now = NULL;
    fault(r, line, section, key, "%s", text);
}

static void ignore_report(void *ctx, bool warning, const char *file, unsigned line, const char *section,
                          const char *key, const char *text)
{
    (void)ctx, (void)warning, (void)file, (void)line, (void)section, (void)key, (void)text;
}

struct users *users_parse(const char *path, struct bytes text, users_report report, void *ctx)
{
    static const struct ini_events events = {on_section, on_entry, on_fault};
    struct reading r = {.u = users_new(), .file = path, .report = report != NULL ? report : ignore_report, .ctx = ctx};
    ini_lines_parse(text, &events, &r);
    if (r.failed) {
        users_unref(r.u);
        return NULL;
    }
    compile_all(r.u);
    gather_scram(r.u);
    return r.u;
}

struct users *users_load(const char *path, users_report report, void *ctx)
{
    struct reading r = {.file = path, .report = report != NULL ? report : ignore_report, .ctx = ctx};
    struct bytes text;
    unsigned mode;
    int err = ini_lines_load(path, &text, &mode);
    char why[512];
    if (err != 0) {
        file_why_read(path, err, why, sizeof(why));
        if (err == ENOENT)
            fault(&r, 0, NULL, NULL, "%s; `sotto passwd %s USER` makes it", why, path);
        else
            fault(&r, 0, NULL, NULL, "%s", why);
        return NULL;
    }
    struct users *u = NULL;
    if (file_why_open_to_all(path, mode, why, sizeof(why)))
        fault(&r, 0, NULL, NULL, "%s; until then everybody could log in", why);
    else
        u = users_parse(path, text, r.report, ctx);
    if (u != NULL && (mode & S_IROTH) != 0)
        r.report(ctx, true, path, 0, NULL, NULL,
                 "everybody on this machine may read the password hashes; chmod 600 it");
    bytes_wipe((void *)(uintptr_t)text.p, text.n);
    mem_free((void *)(uintptr_t)text.p);
    return u;
}

struct users *users_empty(void)
{
    struct users *u = users_new();
    compile_all(u);
    return u;
}

/* ------------------------------------------------------------------ asking */

size_t users_count(const struct users *u)
{
    return u->n;
}

const char *users_password(const struct users *u, struct bytes name)
{
    const struct user *user = find(u, name);
    return user != NULL ? user->password : NULL;
}

const char *users_decoy(const struct users *u, struct bytes name)
{
    if (u->n == 0)
        return NULL;
    /* Another user's hash, the same one each time; where that user has none, the next one's. */
    size_t start = (size_t)(hash_bytes(&u->key, name) % u->n);
    for (size_t i = 0; i < u->n; i++) {
        const struct user *user = u->list[(start + i) % u->n];
        if (user->password != NULL)
            return user->password;
    }
    return NULL;
}

bool users_scram(const struct users *u, struct bytes name, struct scram_verifier *out)
{
    const struct user *user = find(u, name);
    const struct scram_verifier *like = NULL;
    uint64_t choice = scram_verifier_choice(u->scram_key, name);
    if (u->with_scram_n > 0)
        like = u->with_scram[choice % u->with_scram_n]->scram;
    /* For every name, so that it takes as long where there is such a user. */
    scram_verifier_decoy(u->scram_key, name, like, out);
    bool known = user != NULL && user->scram != NULL;
    if (known)
        *out = *user->scram;
    return known;
}

struct rights *users_rights(const struct users *u, struct bytes name)
{
    const struct user *user = find(u, name);
    return user != NULL ? rights_ref(user->rights) : NULL;
}

struct rights *users_identity_rights(const struct users *u, struct bytes name)
{
    const struct user *user = find(u, name), *everyone = u->everyone;
    if (user != NULL)
        return rights_ref(user->rights);
    return rights_new(name, everyone != NULL ? everyone->rules : NULL, everyone != NULL ? everyone->rules_n : 0, false);
}

bool users_have_everyone(const struct users *u)
{
    return u->everyone != NULL;
}

struct rights *users_anonymous_rights(const struct users *u)
{
    return rights_ref(u->anonymous);
}
