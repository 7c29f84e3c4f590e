/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The codec. The first byte picks the version, the rest is a stream: each packet of it is decoded from a heap block of
 * exactly its size. What decodes is walked as its users would, encoded, decoded again and compared; encoding must not
 * make it longer, and encoding the second one must give the same bytes. Topics and filters go through their functions
 * too.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "sotto/codec/packet.h"
#include "sotto/codec/topic.h"
#include "unit/codec/packet_compare.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Not assert: no build type may switch it off. */
static void require(bool condition)
{
    if (!condition)
        abort();
}

static uint8_t *exact_copy(struct bytes b)
{
    uint8_t *copy = malloc(b.n > 0 ? b.n : 1);

    require(copy != NULL);
    if (b.n > 0)
        memcpy(copy, b.p, b.n);
    return copy;
}

static uint8_t *encode(const struct packet *p, enum proto proto, size_t *n)
{
    *n = packet_encode(p, proto, NULL, 0);
    require(*n > 0);
    uint8_t *out = malloc(*n);
    require(out != NULL);
    require(packet_encode(p, proto, out, *n - 1) == *n);
    require(packet_encode(p, proto, out, *n) == *n);
    return out;
}

static void check_way_back(const struct packet *p, enum proto stream, size_t size)
{
    enum proto proto = p->type == PACKET_CONNECT ? p->connect.proto : stream;
    enum reason why;
    struct frame f;
    struct packet again;
    size_t n, n2;

    uint8_t *first = encode(p, proto, &n);
    require(n <= size);
    require(frame_parse(bytes_of(first, n), n, stream, &f, &why) == FRAME_WHOLE && f.total == n);
    require(packet_decode(&f, stream, &again) == REASON_SUCCESS);
    require(packet_equal(p, &again));
    uint8_t *second = encode(&again, proto, &n2);
    require(n == n2 && memcmp(first, second, n) == 0);
    free(first);
    free(second);
}

static void walk_filter(struct bytes filter)
{
    struct share share;

    require(utf8_valid(filter));
    require(share_parse(filter, &share) != 1 || filter_valid(share.filter));
    if (!filter_valid(filter))
        return;
    require(filter_contains(filter, filter) && filter_intersects(filter, filter));
    require(filter_contains(bytes_str("#"), filter) == (filter.p[0] != '$'));
    if (!filter_has_wildcard(filter))
        require(topic_name_valid(filter) && topic_matches(filter, filter));
}

static void walk_filters(const struct packet_subscribe *s, enum packet_type type, enum proto proto)
{
    struct filter_request request;
    struct rd r = rd_of(s->filters);
    uint32_t count = 0;

    while (filter_next(&r, type, proto, &request)) {
        require(request.qos <= 2 && request.retain_handling <= 2);
        walk_filter(request.filter);
        count++;
    }
    require(count == s->count && rd_left(&r) == 0);
}

static void walk_publish(const struct packet_publish *p, const struct frame *f, enum proto proto)
{
    struct packet_publish same;
    struct rd r = rd_of(p->props.raw);
    struct prop_item item;

    require(publish_decode(f, proto, &same) == REASON_SUCCESS && publish_equal(p, &same));
    require(topic_name_valid(p->topic) || (p->topic.n == 0 && props_has(&p->props, PROP_TOPIC_ALIAS)));
    require((p->id != 0) == (p->qos > 0));
    while (prop_next(&r, &item))
        require(props_has(&p->props, item.id));
    require(rd_left(&r) == 0 && !r.bad);
}

/* The short way of 3.x: it takes what is good and plain, as publish_decode takes it, and nothing else. */
static void try_split(const struct frame *f, enum proto proto)
{
    struct packet_publish p;
    struct bytes topic, payload;
    uint16_t id;

    bool good = publish_decode(f, proto, &p) == REASON_SUCCESS;
    require(publish_split3(f, &topic, &id, &payload) == (good && name_is_plain(p.topic)));
    if (good && name_is_plain(p.topic))
        require(bytes_equal(topic, p.topic) && id == p.id && bytes_equal(payload, p.payload));
}

static void try_packet(const struct frame *f, enum proto proto)
{
    struct packet p;

    if (f->type == PACKET_PUBLISH && (proto == PROTO_31 || proto == PROTO_311))
        try_split(f, proto);
    if (packet_decode(f, proto, &p) != REASON_SUCCESS)
        return;
    if (p.type == PACKET_PUBLISH)
        walk_publish(&p.publish, f, proto);
    if (p.type == PACKET_SUBSCRIBE || p.type == PACKET_UNSUBSCRIBE)
        walk_filters(&p.subscribe, p.type, proto);
    check_way_back(&p, proto, f->total);
}

/* Returns the size of the packet at the front of the stream, or 0. */
static size_t try_stream(struct bytes stream, enum proto proto)
{
    enum reason why;
    struct frame f, alone;

    if (frame_parse(stream, SIZE_MAX, proto, &f, &why) != FRAME_WHOLE)
        return 0;
    require(f.total <= stream.n && f.body.n < f.total);
    uint8_t *copy = exact_copy(f.raw);
    require(frame_parse(bytes_of(copy, f.total), f.total, proto, &alone, &why) == FRAME_WHOLE);
    require(frame_parse(bytes_of(copy, f.total - 1), f.total, proto, &f, &why) == FRAME_MORE);
    try_packet(&alone, proto);
    free(copy);
    return alone.total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum proto protos[] = {PROTO_NONE, PROTO_31, PROTO_311, PROTO_5};

    if (size < 1)
        return 0;
    enum proto proto = protos[data[0] & 3];
    uint8_t *copy = exact_copy(bytes_of(data + 1, size - 1));
    struct bytes left = bytes_of(copy, size - 1);
    size_t n;
    while ((n = try_stream(left, proto)) > 0)
        left = bytes_of(left.p + n, left.n - n);
    free(copy);
    return 0;
}
