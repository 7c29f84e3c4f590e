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
    if (c->client != NULL)
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
    rig_send(c, &(struct packet){.type = type, .ack = {.id = id}});
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

/* "a:1 b:2" -> the list as it stands in the packet. */
static void send_filters(struct peer *c, enum packet_type type, uint16_t id, const char *filters)
{
    uint8_t *list = rig_alloc(4 * strlen(filters) + 8);
    struct wr w = wr_of(list, 4 * strlen(filters) + 8);
    uint32_t count = 0;
    for (const char *at = filters; *at != '\0'; count++) {
        size_t n = strcspn(at, " ");
        struct filter_request f = {.filter = bytes_of(at, n)};
        if (type == PACKET_SUBSCRIBE) {
            f.filter.n = n - 2;
            f.qos = (uint8_t)(at[n - 1] - '0');
        }
        filter_write(&w, type, c->proto, &f);
        at += n + (at[n] == ' ');
    }
    struct packet_subscribe s = {.id = id, .count = count, .filters = bytes_of(list, (size_t)(w.p - list))};
    rig_send(c, &(struct packet){.type = type, .subscribe = s});
    free(list);
}

void rig_send_subscribe(struct peer *c, uint16_t id, const char *filters)
{
    send_filters(c, PACKET_SUBSCRIBE, id, filters);
}

void rig_send_unsubscribe(struct peer *c, uint16_t id, const char *filters)
{
    send_filters(c, PACKET_UNSUBSCRIBE, id, filters);
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
    rig_send(c, &(struct packet){.type = PACKET_CONNECT, .connect = p});
    return c;
}
