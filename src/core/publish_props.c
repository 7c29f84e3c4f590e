/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The properties of publications. Most are passed on as they came, in one piece. What belongs to one hop only
 * (alias, expiry, delay of a will) is taken out on the way in, and said anew on the way out.
 */
#include "core_private.h"

#define HOP (1ull << PROP_TOPIC_ALIAS | 1ull << PROP_MESSAGE_EXPIRY)

bool props_too_many(const struct shard *s, const struct props *p)
{
    return p->user_count > s->b->limits.max_user_properties || p->raw.n > PROPS_MAX;
}

bool props_without(struct shard *s, struct bytes raw, uint64_t has, uint64_t drop, struct bytes *out)
{
    *out = raw;
    if ((has & drop) == 0)
        return true;
    uint8_t *copy = shard_scratch(s, raw.n);
    if (copy == NULL)
        return false;
    struct rd r = rd_of(raw);
    struct prop_item item;
    size_t n = 0;
    for (const uint8_t *from = r.p; prop_next(&r, &item); from = r.p) {
        if ((drop >> item.id & 1) != 0)
            continue;
        memcpy(copy + n, from, (size_t)(r.p - from));
        n += (size_t)(r.p - from);
    }
    *out = bytes_of(copy, n);
    return true;
}

uint32_t expiry_left(msec expires, msec now)
{
    return expires > now ? (uint32_t)((expires - now + 999) / 1000) : 0;
}

/* The topic, by its alias or with one from now on. */
static enum reason take_alias(struct client *c, const struct packet_publish *p, struct pub *pub)
{
    if (p->topic.n > 0)
        return alias_in_set(&c->v5->alias_in, p->props.topic_alias, p->topic);
    if (p->props.topic_alias > ALIAS_IN_MAX)
        return REASON_TOPIC_ALIAS_INVALID;
    pub->topic = alias_in_get(c->v5->alias_in, p->props.topic_alias);
    return pub->topic.n > 0 ? REASON_SUCCESS : REASON_PROTOCOL_ERROR;
}

bool publish_terms(struct client *c, const struct packet_publish *p, struct pub *pub)
{
    struct shard *s = c->shard;
    if (props_too_many(s, &p->props)) {
        client_refuse_hint(c, REASON_QUOTA_EXCEEDED, "a PUBLISH with too many properties",
                           "raise max_user_properties in [limits], or let the client send fewer");
        return false;
    }
    if (p->props.sub_id_count > 0) {
        client_refuse(c, REASON_PROTOCOL_ERROR, "a subscription identifier in a PUBLISH of a client");
        return false;
    }
    enum reason r = props_has(&p->props, PROP_TOPIC_ALIAS) ? take_alias(c, p, pub) : REASON_SUCCESS;
    if (r != REASON_SUCCESS) {
        client_refuse(c, r,
                      r == REASON_TOPIC_ALIAS_INVALID ? "a topic alias over the maximum"
                      : r == REASON_PROTOCOL_ERROR    ? "a topic alias that was never set"
                      : r == REASON_QUOTA_EXCEEDED    ? "its topic aliases are too long in all"
                                                      : "no memory");
        return false;
    }
    if (props_has(&p->props, PROP_MESSAGE_EXPIRY))
        pub->expires = s->now + (msec)p->props.message_expiry * 1000;
    if ((p->props.has & HOP) != 0)
        pub->raw = (struct bytes){NULL, 0};
    if (props_without(s, p->props.raw, p->props.has, HOP, &pub->props))
        return true;
    client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
    return false;
}
