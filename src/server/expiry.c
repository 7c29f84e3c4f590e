/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "expiry.h"

#include <stdio.h>
#include <string.h>

#include "sotto/base/mem.h"
#include "sotto/transport/certificate.h"
#include "sotto/transport/tls_endings.h"

#define DAY ((time_t)24 * 3600)

/* Several listeners often have the same file: it is one thing that ends. */
struct expiry_said {
    char *file, *name;
    time_t until;
    unsigned stage; /* the last that was said */
    bool there;     /* in the set that is looked at */
};

/* Days ahead; the last stage is the end itself. */
static const time_t stages[] = {EXPIRY_DAYS, 7, 1, 0};
#define ENDED (sizeof(stages) / sizeof(stages[0]))

static unsigned stage_of(time_t until, time_t now)
{
    unsigned stage = 0;
    while (stage < ENDED && until - now < stages[stage] * DAY)
        stage++;
    return stage;
}

static struct expiry_said *find(struct expiry *e, const struct tls_ending *t)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->v[i].until == t->until && strcmp(e->v[i].file, t->file) == 0 && strcmp(e->v[i].name, t->name) == 0)
            return &e->v[i];
    }
    return NULL;
}

static struct expiry_said *add(struct expiry *e, const struct tls_ending *t, time_t now)
{
    e->v = mem_realloc(e->v, (e->n + 1) * sizeof(*e->v));
    struct expiry_said *said = &e->v[e->n++];
    *said = (struct expiry_said){.file = mem_strndup(t->file, strlen(t->file)),
                                 .name = mem_strndup(t->name, strlen(t->name)),
                                 .until = t->until,
                                 .stage = t->until < now ? ENDED : 0};
    return said;
}

void expiry_words(const struct tls_ending *t, time_t now, char *out, size_t cap, char *hint, size_t hint_cap)
{
    static const char *const hints[] = {
        [TLS_ENDS_CHAIN] = "get the certificate anew from its CA, with its chain",
        [TLS_ENDS_CLIENT_CA] = "put the CA's next certificate beside it in client_ca, and give the clients new ones",
        [TLS_ENDS_CRL] =
            "get the CA's next list (`sotto cert revoke DIR NAME` makes one): without it all its clients "
            "are refused"};
    long days = (long)((t->until - now) / DAY);
    if (t->until < now)
        snprintf(out, cap, "%s has ended", t->what);
    else if (days > 0)
        snprintf(out, cap, "%s ends in %ld day%s", t->what, days, days == 1 ? "" : "s");
    else
        snprintf(out, cap, "%s ends in less than a day", t->what);
    if (t->kind == TLS_ENDS_CERTIFICATE)
        certificate_way(t->file, hint, hint_cap);
    else
        snprintf(hint, hint_cap, "%s", hints[t->kind]);
}

static void say(const struct tls_ending *t, time_t now)
{
    char reason[128], hint[EXPIRY_HINT], day[32];
    struct tm tm;
    expiry_words(t, now, reason, sizeof(reason), hint, sizeof(hint));
    gmtime_r(&t->until, &tm);
    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
    log_event(t->until < now ? LOG_ERROR : LOG_WARN, "tls.expiry", LF_STR("file", t->file), LF_STR("name", t->name),
              LF_STR("reason", reason), LF_STR("until", day), LF_STR("hint", hint));
}

static void look_at(struct expiry *e, const struct tls_ending *t, time_t now)
{
    struct expiry_said *said = find(e, t);
    if (said == NULL)
        said = add(e, t, now);
    said->there = true;
    unsigned stage = stage_of(t->until, now);
    if (stage <= said->stage)
        return;
    said->stage = stage;
    say(t, now);
}

static void forget_absent(struct expiry *e)
{
    size_t kept = 0;
    for (size_t i = 0; i < e->n; i++) {
        if (e->v[i].there) {
            e->v[kept] = e->v[i];
            e->v[kept++].there = false;
            continue;
        }
        mem_free(e->v[i].file);
        mem_free(e->v[i].name);
    }
    e->n = kept;
}

void expiry_look(struct expiry *e, const struct tls_set *set, time_t now)
{
    struct tls_ending t;
    for (size_t i = 0; i < tls_set_size(set); i++) {
        const struct tls_context *c = tls_set_at(set, i);
        for (size_t k = 0; c != NULL && tls_context_ending(c, k, &t); k++)
            look_at(e, &t, now);
    }
    forget_absent(e);
}

void expiry_fini(struct expiry *e)
{
    forget_absent(e);
    mem_free(e->v);
    *e = (struct expiry){.v = NULL};
}
