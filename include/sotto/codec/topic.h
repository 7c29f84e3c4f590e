/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Topic names and filters: their rules, their levels, and a plain matcher that the
 * subscription index is tested against.
 */
#pragma once

#include "sotto/base/bytes.h"

/* UTF-8 as MQTT wants it [MQTT-1.5.3-1, -2]: no overlong forms, no surrogates, nothing above U+10FFFF, no U+0000. */
bool utf8_valid(struct bytes b);

/* At least one character, no wildcard, no U+0000, at most 65,535 bytes; UTF-8 is assumed checked. */
bool topic_name_valid(struct bytes t);
/* '#' last and alone in its level, '+' alone in its level, not empty; "$share/..." forms are checked by share_parse. */
bool filter_valid(struct bytes f);
bool filter_has_wildcard(struct bytes f);
/* Levels: one more than slashes. */
unsigned topic_levels(struct bytes t);

struct share {
    struct bytes group, filter;
};
/*
 * 1: "$share/GROUP/FILTER", taken apart; 0: an ordinary filter; -1: begins with "$share/" (or is "$share") and is not
 * valid [MQTT-4.8.2-1, -2].
 */
int share_parse(struct bytes f, struct share *s);

/* Does the valid filter match the valid name? "$" topics are not matched by a leading wildcard [MQTT-4.7.2-1]. */
bool topic_matches(struct bytes filter, struct bytes name);

/* Does the filter outer match every name that the filter inner matches? (Rights: a rule contains a subscription.) */
bool filter_contains(struct bytes outer, struct bytes inner);
/* Is there a name that both match? (Rights: a deny rule touches a subscription.) */
bool filter_intersects(struct bytes a, struct bytes b);

/* The next level of *rest, without its slash; false when all are taken. Start with *rest = topic and *more = true. */
static inline bool level_next(struct bytes *rest, bool *more, struct bytes *level)
{
    if (!*more)
        return false;
    const uint8_t *slash = rest->n > 0 ? (const uint8_t *)memchr(rest->p, '/', rest->n) : NULL;
    if (slash == NULL) {
        *level = *rest;
        *more = false;
        return true;
    }
    level->p = rest->p;
    level->n = (size_t)(slash - rest->p);
    rest->n -= level->n + 1;
    rest->p = slash + 1;
    return true;
}
