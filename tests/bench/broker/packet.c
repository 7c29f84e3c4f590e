/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "packet.h"

enum prop { PROP_RECEIVE_MAX = 0x21, PROP_ALIAS_MAX = 0x22, PROP_ALIAS = 0x23 };

static uint8_t *put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put_text(uint8_t *at, const char *text)
{
    size_t size = strlen(text);
    at = put_u16(at, size);
    memcpy(at, text, size);
    return at + size;
}

static uint8_t *put_head(uint8_t *at, unsigned head, size_t length)
{
    *at++ = (uint8_t)head;
    for (; length > 127; length >>= 7)
        *at++ = (uint8_t)(length | 128);
    *at++ = (uint8_t)length;
    return at;
}

/* A property of two bytes; 0: none. */
static uint8_t *put_limit(uint8_t *at, enum prop prop, uint16_t value)
{
    if (!value)
        return at;
    *at++ = (uint8_t)prop;
    return put_u16(at, value);
}

size_t packet_connect(uint8_t *out, const struct packet_client *c)
{
    size_t props = (c->receive_max ? 3u : 0u) + (c->alias_max ? 3u : 0u);
    size_t length = 10 + 2 + strlen(c->id) + (c->user ? 2 + strlen(c->user) : 0);
    length += (c->password ? 2 + strlen(c->password) : 0) + (c->v5 ? 1 + props : 0);
    uint8_t *at = put_head(out, 0x10, length);
    at = put_text(at, "MQTT");
    *at++ = c->v5 ? 5 : 4;
    *at++ = (uint8_t)((c->kept ? 0 : 2) | (c->user ? 0x80 : 0) | (c->password ? 0x40 : 0));
    at = put_u16(at, PACKET_KEEPALIVE);
    if (c->v5) {
        *at++ = (uint8_t)props;
        at = put_limit(at, PROP_RECEIVE_MAX, c->receive_max);
        at = put_limit(at, PROP_ALIAS_MAX, c->alias_max);
    }
    at = put_text(at, c->id);
    if (c->user)
        at = put_text(at, c->user);
    if (c->password)
        at = put_text(at, c->password);
    return (size_t)(at - out);
}

size_t packet_subscribe(uint8_t *out, const char *filter, int qos, bool v5)
{
    uint8_t *at = put_head(out, 0x82, 2 + 2 + strlen(filter) + 1 + (v5 ? 1 : 0));
    at = put_u16(at, 1);
    if (v5)
        *at++ = 0;
    at = put_text(at, filter);
    *at++ = (uint8_t)qos;
    return (size_t)(at - out);
}

size_t packet_publish_max(const struct packet_model *model)
{
    return 5 + 2 + strlen(model->topic) + 2 + 4 + model->payload;
}

void packet_publish(uint8_t *out, const struct packet_model *model, struct packet_publish *made)
{
    size_t props = model->alias ? 3 : 0;
    size_t length = 2 + strlen(model->topic) + (model->qos ? 2 : 0) + (model->v5 ? 1 + props : 0) + model->payload;
    uint8_t *at = put_head(out, PACKET_PUBLISH | (unsigned)model->qos << 1, length);
    at = put_text(at, model->topic);
    made->id_at = 0;
    if (model->qos) {
        made->id_at = (size_t)(at - out);
        at = put_u16(at, 0);
    }
    if (model->v5) {
        *at++ = (uint8_t)props;
        at = put_limit(at, PROP_ALIAS, model->alias);
    }
    made->payload_at = (size_t)(at - out);
    for (size_t i = 0; i < model->payload; i++)
        at[i] = (uint8_t)('a' + i % 26);
    made->size = made->payload_at + model->payload;
}

int packet_read(struct packet_frame *frame, const uint8_t *data, size_t size)
{
    size_t length = 0, at = 1;
    frame->size = 0;
    for (unsigned shift = 0;; shift += 7, at++) {
        if (shift == 28)
            return -1;
        if (at >= size)
            return 0;
        length |= (size_t)(data[at] & 127) << shift;
        if (data[at] < 128)
            break;
    }
    at++;
    if (size - at < length)
        return 0;
    *frame = (struct packet_frame){data[0], data + at, length, at + length};
    return 0;
}

static unsigned get_u16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* The property section at `at`: *items gets its first byte. Returns its end; NULL: malformed. */
static const uint8_t *open_props(const uint8_t *at, const uint8_t *end, const uint8_t **items)
{
    size_t size = 0;
    unsigned shift = 0;
    do {
        if (at == end || shift == 28)
            return NULL;
        size |= (size_t)(*at & 127) << shift;
        shift += 7;
    } while (*at++ & 128);
    *items = at;
    return (size_t)(end - at) < size ? NULL : at + size;
}

/* The size of what follows the id of a property that a CONNACK may have; 0: none such, or it is cut off. */
static size_t connack_prop_size(unsigned id, const uint8_t *at, size_t left)
{
    size_t size = 0;
    switch (id) {
    case 0x24:
    case 0x25:
    case 0x28:
    case 0x29:
    case 0x2a:
        size = 1;
        break;
    case 0x13:
    case PROP_RECEIVE_MAX:
    case PROP_ALIAS_MAX:
        size = 2;
        break;
    case 0x11:
    case 0x27:
        size = 4;
        break;
    case 0x26:
        size = left < 2 ? 0 : 2 + get_u16(at);
        size = size == 0 || left < size + 2 ? 0 : size + 2 + get_u16(at + size);
        break;
    case 0x12:
    case 0x15:
    case 0x16:
    case 0x1a:
    case 0x1c:
    case 0x1f:
        size = left < 2 ? 0 : 2 + get_u16(at);
        break;
    default:
        break;
    }
    return size <= left ? size : 0;
}

bool packet_read_connack(const struct packet_frame *frame, bool v5, struct packet_terms *terms)
{
    const uint8_t *at, *end = frame->body + frame->body_size;
    *terms = (struct packet_terms){.receive_max = UINT16_MAX};
    if (frame->head != PACKET_CONNACK || frame->body_size < 2)
        return false;
    terms->code = frame->body[1];
    if (!v5)
        return frame->body_size == 2;
    if (terms->code && frame->body_size == 2) /* from a broker that does not know 5.0 */
        return true;
    if (open_props(frame->body + 2, end, &at) != end)
        return false;
    while (at != end) {
        unsigned id = *at++;
        size_t size = connack_prop_size(id, at, (size_t)(end - at));
        if (!size)
            return false;
        if (id == PROP_RECEIVE_MAX)
            terms->receive_max = (uint16_t)get_u16(at);
        if (id == PROP_ALIAS_MAX)
            terms->alias_max = (uint16_t)get_u16(at);
        at += size;
    }
    return true;
}

bool packet_read_publish(const struct packet_frame *frame, bool v5, struct packet_delivery *d)
{
    const uint8_t *at = frame->body, *end = at + frame->body_size, *items;
    if (frame->body_size < 2)
        return false;
    d->topic = at + 2;
    d->topic_size = get_u16(at);
    d->alias = 0;
    d->id = NULL;
    if ((size_t)(end - d->topic) < d->topic_size)
        return false;
    at = d->topic + d->topic_size;
    if (frame->head & 6) {
        if (end - at < 2)
            return false;
        d->id = at;
        at += 2;
    }
    if (v5) {
        at = open_props(at, end, &items);
        if (!at || (at != items && (at - items != 3 || items[0] != PROP_ALIAS)))
            return false;
        d->alias = at != items ? (uint16_t)get_u16(items + 1) : 0;
    }
    d->payload = at;
    d->payload_size = (size_t)(end - at);
    return true;
}

bool packet_is_success(const struct packet_frame *frame, bool v5)
{
    if (frame->body_size <= 2)
        return frame->body_size == 2;
    bool no_props = frame->body_size == 3 || (frame->body_size == 4 && frame->body[3] == 0);
    return v5 && no_props && frame->body[2] == 0;
}

bool packet_is_granted(const struct packet_frame *frame, bool v5, int qos)
{
    if (frame->head != PACKET_SUBACK || frame->body_size != (v5 ? 4 : 3) || (v5 && frame->body[2] != 0))
        return false;
    return frame->body[frame->body_size - 1] == qos;
}

void packet_stamp_put(uint8_t *payload, const struct packet_stamp *stamp)
{
    memcpy(payload, &stamp->run, 4);
    memcpy(payload + 4, &stamp->publisher, 4);
    memcpy(payload + 8, &stamp->number, 8);
}

void packet_stamp_get(struct packet_stamp *stamp, const uint8_t *payload)
{
    memcpy(&stamp->run, payload, 4);
    memcpy(&stamp->publisher, payload + 4, 4);
    memcpy(&stamp->number, payload + 8, 8);
}
