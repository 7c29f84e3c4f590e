/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash.h"

#define SAY 30

/* The numbers of one topic: 0 up to n; which were acknowledged, and which subscribers have seen each. */
struct line {
    uint32_t n, cap;
    uint8_t *acknowledged;
    uint16_t *seen; /* a bit a subscriber */
};

/* Of a subscriber, for a line: from where on all has to come, and what comes next in order. */
struct reading {
    uint32_t from, next;
};

_Static_assert(SUBSCRIBERS <= 16, "a bit each");

static struct line lines[PUBLISHERS][KINDS];
static struct reading readings[SUBSCRIBERS][PUBLISHERS][KINDS];
static bool subscribed[SUBSCRIBERS];
static int64_t retained[PUBLISHERS];
static uint64_t published, confirmed, delivered, repeated;
static unsigned wrong_n;

void wrong(const char *format, ...)
{
    va_list arguments;
    if (wrong_n++ >= SAY)
        return;
    va_start(arguments, format);
    printf("wrong: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    fflush(stdout);
}

unsigned wrongs(void)
{
    return wrong_n;
}

void ledger_reset(void)
{
    for (unsigned p = 0; p < PUBLISHERS; p++) {
        retained[p] = -1;
        for (unsigned k = 0; k < KINDS; k++) {
            free(lines[p][k].acknowledged);
            free(lines[p][k].seen);
        }
    }
    memset(lines, 0, sizeof(lines));
    memset(readings, 0, sizeof(readings));
    memset(subscribed, 0, sizeof(subscribed));
    published = confirmed = delivered = repeated = 0;
    wrong_n = 0;
}

uint32_t ledger_sent(unsigned publisher, enum kind kind)
{
    struct line *l = &lines[publisher][kind];
    if (l->n == l->cap) {
        l->cap = l->cap > 0 ? 2 * l->cap : 1024;
        l->acknowledged = realloc(l->acknowledged, l->cap);
        l->seen = realloc(l->seen, l->cap * sizeof(*l->seen));
    }
    l->acknowledged[l->n] = 0;
    l->seen[l->n] = 0;
    published++;
    return l->n++;
}

void ledger_acknowledged(unsigned publisher, enum kind kind, uint32_t number)
{
    confirmed += lines[publisher][kind].acknowledged[number] == 0;
    lines[publisher][kind].acknowledged[number] = 1;
}

uint32_t ledger_next(unsigned publisher, enum kind kind)
{
    return lines[publisher][kind].n;
}

void ledger_subscribed(unsigned subscriber)
{
    subscribed[subscriber] = true;
    for (unsigned p = 0; p < PUBLISHERS; p++)
        for (unsigned k = 0; k < KINDS; k++)
            readings[subscriber][p][k].from = lines[p][k].n;
}

void ledger_arrived(unsigned subscriber, unsigned publisher, unsigned kind, uint32_t number, bool once)
{
    if (publisher >= PUBLISHERS || kind >= KINDS || number >= lines[publisher][kind].n) {
        wrong("subscriber %u got message %u of topic %u of publisher %u, which nobody sent", subscriber, number, kind,
              publisher);
        return;
    }
    struct reading *r = &readings[subscriber][publisher][kind];
    uint16_t *seen = &lines[publisher][kind].seen[number], bit = (uint16_t)(1u << subscriber);
    delivered++;
    if ((*seen & bit) != 0) {
        repeated++;
        if (once)
            wrong("subscriber %u got message %u of publisher %u twice, at QoS 2", subscriber, number, publisher);
        return;
    }
    *seen |= bit;
    if (number >= r->next)
        r->next = number + 1;
    else if (subscribed[subscriber] && number >= r->from) /* else it may have been routed before there was a filter */
        wrong("subscriber %u got message %u of topic %u of publisher %u first after message %u", subscriber, number,
              kind, publisher, r->next - 1);
}

static uint64_t missing_of(unsigned s, unsigned p, unsigned k, bool say)
{
    const struct line *l = &lines[p][k];
    uint64_t missing = 0;
    for (uint32_t i = readings[s][p][k].from; i < l->n; i++) {
        if (l->acknowledged[i] == 0 || (l->seen[i] & 1u << s) != 0)
            continue;
        missing++;
        if (say)
            wrong("subscriber %u never got message %u of %u of topic %u of publisher %u, which was acknowledged", s, i,
                  l->n, k, p);
    }
    return missing;
}

uint64_t ledger_missing(bool say)
{
    uint64_t missing = 0;
    for (unsigned s = 0; s < SUBSCRIBERS; s++)
        for (unsigned p = 0; subscribed[s] && p < PUBLISHERS; p++)
            missing += missing_of(s, p, KIND_1, say) + missing_of(s, p, KIND_2, say);
    return missing;
}

void ledger_retained(unsigned publisher, uint32_t number)
{
    if (publisher < PUBLISHERS)
        retained[publisher] = number;
}

/* The last that was acknowledged, -1: none. */
static int64_t last_retained(unsigned publisher)
{
    const struct line *l = &lines[publisher][KIND_RETAINED];
    int64_t last = (int64_t)l->n - 1;
    while (last >= 0 && l->acknowledged[last] == 0)
        last--;
    return last;
}

unsigned ledger_retained_wanted(void)
{
    unsigned n = 0;
    for (unsigned p = 0; p < PUBLISHERS; p++)
        n += last_retained(p) >= 0;
    return n;
}

void ledger_check_retained(void)
{
    for (unsigned p = 0; p < PUBLISHERS; p++) {
        int64_t last = last_retained(p);
        if (retained[p] < last || retained[p] >= lines[p][KIND_RETAINED].n)
            wrong("the retained message of publisher %u is its number %lld, but %lld was acknowledged", p,
                  (long long)retained[p], (long long)last);
    }
}

uint64_t ledger_published(void)
{
    return published;
}

uint64_t ledger_confirmed(void)
{
    return confirmed;
}

uint64_t ledger_delivered(void)
{
    return delivered;
}

uint64_t ledger_repeated(void)
{
    return repeated;
}
