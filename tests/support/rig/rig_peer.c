/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Peers: connections, and what they send. */
#include "rig_private.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct peer *rig_open_at(struct rig *r, unsigned shard)
{
    static unsigned number;
    struct peer *c = rig_alloc(sizeof(*c));
    c->rig = r;
    c->shard = shard;
    c->proto = r->proto;
    c->chunk = r->chunk;
    snprintf(c->name, sizeof(c->name), "192.0.2.1:%u", 10000 + number++ % 50000);
    list_push_back(&r->peers, &c->link);
    c->client = client_new(r->s[shard].shard, c, &r->origin, c->name, r->now);
    return c;
}

struct peer *rig_open(struct rig *r)
{
    return rig_open_at(r, r->next_shard++ % r->n);
}

void rig_drop(struct peer *c)
{
    c->dropped = true;
    rig_run(c->rig);
}

void rig_end(struct peer *c, enum reason reason)
{
    if (c->client != NULL && !c->in_transit)
        client_end(c->client, reason, c->rig->now);
    rig_run(c->rig);
}

void rig_stall(struct peer *c, bool stalled)
{
    c->stalled = stalled;
    if (stalled || c->client == NULL)
        return;
    c->woken = true; /* as the loop does when a blocked socket takes bytes again */
    rig_run(c->rig);
}

void rig_send_bytes(struct peer *c, const void *p, size_t n)
{
    if (n == 0)
        return;
    rig_reserve(&c->in, &c->in_cap, c->in_n + n);
    memcpy(c->in + c->in_n, p, n);
    c->in_n += n;
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (unsigned digits = 0, v = 0; *hex != '\0'; hex++) {
        if (isspace((unsigned char)*hex))
            continue;
        int d = isdigit((unsigned char)*hex) ? *hex - '0' : tolower((unsigned char)*hex) - 'a' + 10;
        if (d < 0 || d > 15)
            rig_die("'%c' is no hex digit", *hex);
        v = v << 4 | (unsigned)d;
        if (++digits % 2 == 0)
            out[n++] = (uint8_t)v;
    }
    return n;
}

size_t rig_hex(const char *hex, uint8_t **out)
{
    *out = rig_alloc(strlen(hex) / 2 + 1);
    return from_hex(hex, *out);
}

void rig_send_hex(struct peer *c, const char *hex)
{
    uint8_t *p;
    size_t n = rig_hex(hex, &p);
    rig_send_bytes(c, p, n);
    free(p);
}

void rig_send(struct peer *c, const struct packet *p)
{
    size_t n = packet_encode(p, c->proto, NULL, 0);
    if (n == 0)
        rig_die("%s: there is no such packet", packet_name(p->type));
    uint8_t *out = rig_alloc(n);
    packet_encode(p, c->proto, out, n);
    rig_send_bytes(c, out, n);
    free(out);
}

void rig_send_ack(struct peer *c, enum packet_type type, uint16_t id)
{
    rig_send_ack_reason(c, type, id, REASON_SUCCESS);
}

void rig_send_ack_reason(struct peer *c, enum packet_type type, uint16_t id, enum reason reason)
{
    rig_send(c, &(struct packet){.type = type, .ack = {.id = id, .reason = reason}});
}

void rig_send_publish_bytes(struct peer *c, struct bytes topic, struct bytes payload, uint8_t qos, bool retain,
                            uint16_t id)
{
    rig_send(c,
             &(struct packet){.type = PACKET_PUBLISH,
                              .publish = {.topic = topic, .payload = payload, .id = id, .qos = qos, .retain = retain}});
}

void rig_send_publish(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain, uint16_t id)
{
    rig_send_publish_bytes(c, bytes_str(topic), bytes_str(payload), qos, retain, id);
}

void rig_send_publish_dup(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain, uint16_t id)
{
    rig_send(c, &(struct packet){.type = PACKET_PUBLISH,
                                 .publish = {.topic = bytes_str(topic),
                                             .payload = bytes_str(payload),
                                             .id = id,
                                             .qos = qos,
                                             .retain = retain,
                                             .dup = true}});
}

void rig_send_publish_props(struct peer *c, const char *topic, const char *payload, uint8_t qos, bool retain,
                            uint16_t id, const struct props *props)
{
    struct packet p = {.type = PACKET_PUBLISH};
    p.publish = (struct packet_publish){
        .topic = bytes_str(topic), .payload = bytes_str(payload), .id = id, .qos = qos, .retain = retain};
    if (props != NULL)
        p.publish.props = *props;
    rig_send(c, &p);
}

/* "a:2np1" -> the request. */
static struct filter_request filter_of(struct bytes text)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || colon == text.n)
        rig_die("\"%.*s\" has no QoS", (int)text.n, (const char *)text.p);
    struct filter_request f = {.filter = bytes_of(text.p, colon - 1), .qos = (uint8_t)(text.p[colon] - '0')};
    for (size_t i = colon + 1; i < text.n; i++) {
        f.no_local |= text.p[i] == 'n';
        f.retain_as_published |= text.p[i] == 'p';
        if (isdigit(text.p[i]))
            f.retain_handling = (uint8_t)(text.p[i] - '0');
    }
    return f;
}

/* "a:1 b:2" -> the list as it stands in the packet. */
static void send_filters(struct peer *c, enum packet_type type, uint16_t id, const char *filters, uint32_t sub_id)
{
    uint8_t *list = rig_alloc(4 * strlen(filters) + 8);
    struct wr w = wr_of(list, 4 * strlen(filters) + 8);
    uint32_t count = 0;
    for (const char *at = filters; *at != '\0'; count++) {
        size_t n = strcspn(at, " ");
        struct filter_request f = {.filter = bytes_of(at, n)};
        if (type == PACKET_SUBSCRIBE)
            f = filter_of(f.filter);
        filter_write(&w, type, c->proto, &f);
        at += n + (at[n] == ' ');
    }
    struct packet_subscribe s = {.id = id, .count = count, .filters = bytes_of(list, (size_t)(w.p - list))};
    s.props.has = sub_id > 0 ? RIG_HAS(SUBSCRIPTION_ID) : 0;
    s.props.sub_id = sub_id;
    rig_send(c, &(struct packet){.type = type, .subscribe = s});
    free(list);
}

void rig_send_subscribe(struct peer *c, uint16_t id, const char *filters)
{
    send_filters(c, PACKET_SUBSCRIBE, id, filters, 0);
}

void rig_send_subscribe_id(struct peer *c, uint16_t id, const char *filters, uint32_t sub_id)
{
    send_filters(c, PACKET_SUBSCRIBE, id, filters, sub_id);
}

void rig_send_unsubscribe(struct peer *c, uint16_t id, const char *filters)
{
    send_filters(c, PACKET_UNSUBSCRIBE, id, filters, 0);
}

void rig_send_disconnect(struct peer *c, enum reason reason, const struct props *props)
{
    struct packet p = {.type = PACKET_DISCONNECT, .end = {.reason = reason}};
    if (props != NULL)
        p.end.props = *props;
    rig_send(c, &p);
}

void rig_send_auth(struct peer *c, enum reason reason, const char *method, const char *data)
{
    struct packet p = {.type = PACKET_AUTH, .end = {.reason = reason}};
    p.end.props.has = (method != NULL ? RIG_HAS(AUTH_METHOD) : 0) | (data != NULL ? RIG_HAS(AUTH_DATA) : 0);
    p.end.props.auth_method = bytes_str(method);
    p.end.props.auth_data = bytes_str(data);
    rig_send(c, &p);
}

struct bytes rig_user_props(const char *pairs)
{
    static uint8_t sections[8][4096];
    static unsigned next;
    uint8_t *section = sections[next++ % 8];
    struct wr w = wr_of(section, sizeof(sections[0]));
    for (const char *at = pairs; *at != '\0';) {
        size_t n = strcspn(at, " "), equals = strcspn(at, "=");
        struct prop_item item = {.id = PROP_USER_PROPERTY, .name = bytes_of(at, equals)};
        item.text = bytes_of(at + equals + 1, n - equals - 1);
        prop_write(&w, &item);
        at += n + (at[n] == ' ');
    }
    if (w.bad)
        rig_die("too many user properties");
    return bytes_of(section, (size_t)(w.p - section));
}

/* What the peer names in CONNECT binds the server from then on. */
static void note_terms(struct peer *c, const struct props *p)
{
    struct rig_terms *t = &c->terms;
    t->maximum_packet_size = props_has(p, PROP_MAXIMUM_PACKET_SIZE) ? p->maximum_packet_size : 0;
    t->alias_maximum = props_has(p, PROP_TOPIC_ALIAS_MAXIMUM) ? p->topic_alias_maximum : 0;
    t->receive_maximum = props_has(p, PROP_RECEIVE_MAXIMUM) ? p->receive_maximum : UINT16_MAX;
    t->no_problem_info = props_has(p, PROP_REQUEST_PROBLEM_INFO) && p->request_problem_info == 0;
}

struct peer *rig_start(struct rig *r, const struct rig_connect *how)
{
    struct peer *c = how->at > 0 ? rig_open_at(r, (unsigned)how->at - 1) : rig_open(r);
    if (how->proto != PROTO_NONE)
        c->proto = how->proto;
    struct packet_connect p = {.proto = c->proto, .clean = how->clean, .keep_alive = how->keep_alive};
    p.client_id = how->id_n > 0 ? bytes_of(how->id, how->id_n) : bytes_str(how->id);
    p.has_user = how->user != NULL;
    p.user = bytes_str(how->user);
    p.has_password = how->password != NULL;
    p.password = bytes_str(how->password);
    p.has_will = how->will_topic != NULL;
    p.will.topic = bytes_str(how->will_topic);
    p.will.payload = bytes_str(how->will);
    p.will.qos = how->will_qos;
    p.will.retain = how->will_retain;
    if (how->props != NULL)
        p.props = *how->props;
    else
        p.props = (struct props){.has = RIG_HAS(SESSION_EXPIRY) | RIG_HAS(RECEIVE_MAXIMUM),
                                 .session_expiry = how->clean ? 0 : RIG_FOREVER,
                                 .receive_maximum = (uint16_t)r->limits.max_inflight};
    if (how->will_props != NULL)
        p.will.props = *how->will_props;
    note_terms(c, &p.props);
    rig_send(c, &(struct packet){.type = PACKET_CONNECT, .connect = p});
    return c;
}
