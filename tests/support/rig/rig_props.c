/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What holds for every packet that a server sends to a client of 5.0, looked at in every test; and expectations about
 * properties. Sizes, aliases and reason strings are judged by what the client named in its CONNECT.
 */
#include "rig_private.h"

#include <stdio.h>
#include <stdlib.h>

static const char *judge_publish(struct peer *c, struct packet_publish *p)
{
    struct rig_terms *t = &c->terms;
    if (!props_has(&p->props, PROP_TOPIC_ALIAS))
        return p->topic.n > 0 ? NULL : "a topic or an alias";
    unsigned alias = p->props.topic_alias;
    if (alias == 0 || alias > t->alias_maximum || alias > sizeof(t->topics) / sizeof(t->topics[0]))
        return "no alias above the maximum of the client [MQTT-3.1.2-26]";
    char **topic = &t->topics[alias - 1];
    if (p->topic.n > 0) {
        free(*topic);
        *topic = rig_alloc(p->topic.n + 1);
        memcpy(*topic, p->topic.p, p->topic.n);
    } else if (*topic == NULL) {
        return "an alias that was given before [MQTT-3.3.2-7]";
    }
    p->topic = bytes_str(*topic);
    return NULL;
}

static const char *judge_connack(struct peer *c, const struct packet_connack *p)
{
    if (c->terms.connected)
        return "one CONNACK at most [MQTT-3.2.0-2]";
    c->terms.connected = true;
    c->connack = p->props;
    struct bytes id = props_has(&p->props, PROP_ASSIGNED_CLIENT_ID) ? p->props.assigned_client_id : bytes_str("");
    snprintf(c->assigned, sizeof(c->assigned), "%.*s", (int)id.n, (const char *)id.p);
    return NULL;
}

static const struct props *props_of(const struct packet *p)
{
    switch (p->type) {
    case PACKET_PUBACK:
    case PACKET_PUBREC:
    case PACKET_PUBREL:
    case PACKET_PUBCOMP:
        return &p->ack.props;
    case PACKET_SUBACK:
    case PACKET_UNSUBACK:
        return &p->suback.props;
    case PACKET_AUTH:
        return &p->end.props;
    default:
        return NULL;
    }
}

const char *rig_judge(struct peer *c, const struct frame *f, struct packet *p)
{
    const struct props *props = props_of(p);
    if (c->terms.ended)
        return "nothing behind DISCONNECT [MQTT-3.14.4-1]";
    if (c->terms.maximum_packet_size > 0 && f->total > c->terms.maximum_packet_size)
        return "no packet above the client's maximum [MQTT-3.1.2-24]";
    if (c->terms.no_problem_info && props != NULL && (props_has(props, PROP_REASON_STRING) || props->user_count > 0))
        return "no reason string that the client doesn't want [MQTT-3.1.2-29]";
    if (!c->terms.connected && p->type != PACKET_CONNACK && p->type != PACKET_AUTH)
        return "CONNACK first [MQTT-3.2.0-1]";
    if (p->type == PACKET_CONNACK)
        return judge_connack(c, &p->connack);
    if (p->type == PACKET_PUBLISH)
        return judge_publish(c, &p->publish);
    if (p->type != PACKET_DISCONNECT)
        return NULL;
    c->terms.ended = true;
    return props_has(&p->end.props, PROP_SESSION_EXPIRY) ? "no Session Expiry Interval [MQTT-3.14.2-2]" : NULL;
}

/* "name=value name=value" of what is there, to be read and compared. */
static char *shown_user_props(const struct props *p)
{
    static char text[8192];
    size_t n = 0;
    struct prop_item item;
    struct rd r = rd_of(p->raw);
    text[0] = '\0';
    while (p->user_count > 0 && prop_next(&r, &item)) {
        if (item.id == PROP_USER_PROPERTY && n < sizeof(text) - 1)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.*s=%.*s", n > 0 ? " " : "", (int)item.name.n,
                                  (const char *)item.name.p, (int)item.text.n, (const char *)item.text.p);
    }
    return text;
}

void rig_expect_user_props_at(const struct props *p, const char *pairs, const char *file, int line)
{
    const char *there = shown_user_props(p);
    if (strcmp(there, pairs) != 0)
        rig_die_at(file, line, "expected user properties \"%s\", there are \"%s\"", pairs, there);
}

static bool has_sub_id(const struct props *p, uint32_t id)
{
    struct prop_item item;
    struct rd r = rd_of(p->raw);
    while (prop_next(&r, &item))
        if (item.id == PROP_SUBSCRIPTION_ID && item.num == id)
            return true;
    return false;
}

void rig_expect_sub_ids_at(const struct props *p, const char *ids, const char *file, int line)
{
    unsigned n = 0;
    for (const char *at = ids; *at != '\0'; n++) {
        char *end;
        uint32_t id = (uint32_t)strtoul(at, &end, 10);
        if (p->sub_id_count == 0 || !has_sub_id(p, id))
            rig_die_at(file, line, "subscription identifier %u is not there", id);
        at = end + (*end == ' ');
    }
    if (n != p->sub_id_count)
        rig_die_at(file, line, "expected subscription identifiers %s, there are %u", ids, p->sub_id_count);
}
