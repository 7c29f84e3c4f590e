/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The properties of publications. Most are passed on as they came, in one piece. What belongs to one hop only
 * (alias, expiry, delay of a will) is taken out on the way in, and said anew on the way out.
 */
#include "core_private.h"

#define ALIAS (1ull << PROP_TOPIC_ALIAS)
#define HOP (ALIAS | 1ull << PROP_MESSAGE_EXPIRY)

bool props_too_many(const struct shard *s, const struct props *p)
{
    return p->user_count > s->b->limits.max_user_properties || p->raw.n > PROPS_MAX;
}

bool props_without(struct shard *s, struct bytes raw, uint64_t has, uint64_t drop, struct bytes *out)
{
    *out = raw;
    if ((has & drop) == 0)
        return true;
    out->n = 0;
    if ((has & ~drop) == 0)
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

bool publish_alias(struct client *c, uint16_t alias, struct pub *pub)
{
    bool named = pub->topic.n > 0;
    if (!named && alias_in_get(c->v5->alias_in, alias, &pub->topic, &pub->hash)) {
        pub->raw_form = pub->raw_form == RAW_5 ? RAW_ALIAS : RAW_NONE;
        return true;
    }
    pub->raw_form = RAW_NONE;
    enum reason r = named                  ? alias_in_set(&c->v5->alias_in, alias, pub->topic, pub_hash(c->shard, pub))
                    : alias > ALIAS_IN_MAX ? REASON_TOPIC_ALIAS_INVALID
                                           : REASON_PROTOCOL_ERROR;
    if (r == REASON_SUCCESS)
        return true;
    client_refuse(c, r,
                  r == REASON_TOPIC_ALIAS_INVALID ? "a topic alias over the maximum"
                  : r == REASON_PROTOCOL_ERROR    ? "a topic alias that was never set"
                  : r == REASON_QUOTA_EXCEEDED    ? "its topic aliases are too long in all"
                                                  : "no memory");
    return false;
}

/* There are other properties than an alias. False: refused. */
static bool take_others(struct client *c, const struct packet_publish *p, struct pub *pub)
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
    if (props_has(&p->props, PROP_MESSAGE_EXPIRY))
        pub->expires = s->now + (msec)p->props.message_expiry * 1000;
    if ((p->props.has & HOP) != 0)
        pub->raw_form = RAW_NONE;
    if (props_without(s, p->props.raw, p->props.has, HOP, &pub->props))
        return true;
    client_refuse(c, REASON_SERVER_UNAVAILABLE, "no memory");
    return false;
}

bool publish_terms(struct client *c, const struct packet_publish *p, struct pub *pub)
{
    if (props_has(&p->props, PROP_TOPIC_ALIAS) && !publish_alias(c, p->props.topic_alias, pub))
        return false;
    return p->props.has == ALIAS || take_others(c, p, pub);
}
