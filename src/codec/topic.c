/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Topic names and filters as sequences of levels. A filter stands for a set of names; contains and intersects ask
 * about those sets and walk both filters side by side, since one level never looks at another. Three things
 * make it more than that:
 *
 *   - '#' also matches nothing at all behind its parent: "a/#" matches "a". So a filter that has ended goes with
 *     one that has exactly '#' left.
 *   - A first level that begins with '$' is not matched by a wildcard there.
 *   - There is no empty name. So "#" has no parent to match, and "#" and "+/#" are the same set; the parent of
 *     "/#" would be the empty name, so "/#" and "/+/#" are the same set, and "/#" and "+" have nothing in common.
 */
#include "codec_internal.h"
#include "sotto/codec/topic.h"

static bool level_is(struct bytes level, char c)
{
    return level.n == 1 && level.p[0] == (uint8_t)c;
}

static bool is_wildcard(uint8_t c)
{
    return c == '+' || c == '#';
}

static bool begins_with_dollar(struct bytes b)
{
    return b.n > 0 && b.p[0] == '$';
}

bool topic_name_valid(struct bytes t)
{
    if (t.n == 0 || t.n > UINT16_MAX)
        return false;
    if (name_is_plain(t))
        return true;
    for (size_t i = 0; i < t.n; i++)
        if (t.p[i] == 0 || is_wildcard(t.p[i]))
            return false;
    return true;
}

bool filter_valid(struct bytes f)
{
    if (f.n == 0 || f.n > UINT16_MAX)
        return false;
    for (size_t i = 0; i < f.n; i++) {
        bool starts = i == 0 || f.p[i - 1] == '/';
        bool last = i + 1 == f.n;
        bool ends = last || f.p[i + 1] == '/';
        if (f.p[i] == 0 || (f.p[i] == '#' && !(starts && last)) || (f.p[i] == '+' && !(starts && ends)))
            return false;
    }
    return true;
}

bool filter_has_wildcard(struct bytes f)
{
    for (size_t i = 0; i < f.n; i++)
        if (is_wildcard(f.p[i]))
            return true;
    return false;
}

unsigned topic_levels(struct bytes t)
{
    unsigned levels = 1;

    for (size_t i = 0; i < t.n; i++)
        levels += t.p[i] == '/';
    return levels;
}

int share_parse(struct bytes f, struct share *s)
{
    struct bytes rest = f, level;
    bool more = true;

    level_next(&rest, &more, &level);
    if (!bytes_equal(level, bytes_str("$share")))
        return 0;
    if (!level_next(&rest, &more, &s->group) || s->group.n == 0 || filter_has_wildcard(s->group) || !more)
        return -1;
    s->filter = rest;
    return filter_valid(rest) ? 1 : -1;
}

bool topic_matches(struct bytes filter, struct bytes name)
{
    struct bytes want, have;
    bool more_want = true, more_have = true;

    if (begins_with_dollar(name) && filter.n > 0 && is_wildcard(filter.p[0]))
        return false;
    while (level_next(&filter, &more_want, &want)) {
        if (level_is(want, '#'))
            return true;
        if (!level_next(&name, &more_have, &have))
            return false;
        if (!level_is(want, '+') && !bytes_equal(want, have))
            return false;
        if (!more_have && more_want)
            return level_is(filter, '#');
    }
    return !more_have;
}

/* Does the level outer match all that the level inner matches? Neither is '#'. */
static bool level_contains(struct bytes outer, struct bytes inner, bool first)
{
    if (level_is(outer, '+'))
        return !(first && begins_with_dollar(inner));
    return bytes_equal(outer, inner);
}

bool filter_contains(struct bytes outer, struct bytes inner)
{
    struct bytes o, i;
    bool more_o = true, more_i = true, first = true;
    bool parent = false; /* can what inner has had so far be a name? */

    while (level_next(&outer, &more_o, &o)) {
        if (!level_next(&inner, &more_i, &i))
            return level_is(o, '#');
        if (level_is(o, '#'))
            return !(first && begins_with_dollar(i));
        if (level_is(i, '#'))
            return !parent && level_is(o, '+') && more_o && level_is(outer, '#');
        if (!level_contains(o, i, first))
            return false;
        parent = !first || i.n > 0;
        first = false;
    }
    return !more_i;
}

/* Is there a level text that both match? Neither is '#'. */
static bool level_intersects(struct bytes a, struct bytes b, bool first)
{
    return level_contains(a, b, first) || level_contains(b, a, first);
}

bool filter_intersects(struct bytes a, struct bytes b)
{
    struct bytes x, y;
    bool more_a = true, more_b = true, first = true;
    bool parent = false; /* can what both have had so far be a name? */

    while (more_a && more_b) {
        level_next(&a, &more_a, &x);
        level_next(&b, &more_b, &y);
        if (level_is(x, '#'))
            return !(first && begins_with_dollar(y));
        if (level_is(y, '#'))
            return !(first && begins_with_dollar(x));
        if (!level_intersects(x, y, first))
            return false;
        parent = !first || (x.n > 0 && y.n > 0);
        first = false;
    }
    if (more_a)
        return parent && level_is(a, '#');
    if (more_b)
        return parent && level_is(b, '#');
    return true;
}
