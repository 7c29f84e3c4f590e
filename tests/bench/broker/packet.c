/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "packet.h"

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

size_t packet_connect(uint8_t *out, const char *id, const char *user, const char *password)
{
    size_t length = 10 + 2 + strlen(id) + (user ? 2 + strlen(user) : 0) + (password ? 2 + strlen(password) : 0);
    uint8_t *at = put_head(out, 0x10, length);
    at = put_text(at, "MQTT");
    *at++ = 4;
    *at++ = (uint8_t)(2 | (user ? 0x80 : 0) | (password ? 0x40 : 0));
    at = put_u16(at, PACKET_KEEPALIVE);
    at = put_text(at, id);
    if (user)
        at = put_text(at, user);
    if (password)
        at = put_text(at, password);
    return (size_t)(at - out);
}

size_t packet_subscribe(uint8_t *out, const char *filter, int qos)
{
    uint8_t *at = put_head(out, 0x82, 2 + 2 + strlen(filter) + 1);
    at = put_u16(at, 1);
    at = put_text(at, filter);
    *at++ = (uint8_t)qos;
    return (size_t)(at - out);
}

size_t packet_publish_max(const char *topic, size_t payload)
{
    return 5 + 2 + strlen(topic) + 2 + payload;
}

void packet_publish(uint8_t *out, const char *topic, int qos, size_t payload, struct packet_publish *made)
{
    uint8_t *at = put_head(out, PACKET_PUBLISH | (unsigned)qos << 1, 2 + strlen(topic) + (qos ? 2 : 0) + payload);
    at = put_text(at, topic);
    made->id_at = 0;
    if (qos) {
        made->id_at = (size_t)(at - out);
        at = put_u16(at, 0);
    }
    made->payload_at = (size_t)(at - out);
    for (size_t i = 0; i < payload; i++)
        at[i] = (uint8_t)('a' + i % 26);
    made->size = made->payload_at + payload;
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

const uint8_t *packet_payload(const struct packet_frame *frame, const uint8_t **id, size_t *payload_size)
{
    if (frame->body_size < 2)
        return NULL;
    size_t at = 2 + ((size_t)frame->body[0] << 8 | frame->body[1]);
    *id = NULL;
    if (frame->head & 6) {
        *id = frame->body + at;
        at += 2;
    }
    if (at > frame->body_size)
        return NULL;
    *payload_size = frame->body_size - at;
    return frame->body + at;
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
