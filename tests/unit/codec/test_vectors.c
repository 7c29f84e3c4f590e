/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every vector is a test of its own, under its own name. A good one is decoded, encoded again and compared
 * byte by byte, given in every two pieces, and cut short in every place: in the stream, which must ask for more, and
 * inside the packet with the length put right, which must be refused or be a packet that survives the same. All inputs
 * are in heap blocks of exactly their size, for AddressSanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "packet_compare.h"
#include "vector.h"

static enum proto proto_of(const struct packet *p, enum proto proto)
{
    return p->type == PACKET_CONNECT ? p->connect.proto : proto;
}

/* Encodes what decoded well, and expects that it decodes to the same; back: the bytes to expect, or n == 0. */
static void check_way_back(const struct packet *p, enum proto proto, struct bytes back)
{
    enum proto version = proto_of(p, proto);
    struct packet again;
    struct frame f;

    size_t n = packet_encode(p, version, NULL, 0);
    assert_true(n > 0);
    uint8_t *out = malloc(n);
    assert_non_null(out);
    memset(out, 0xee, n);
    assert_int_equal(packet_encode(p, version, out, n - 1), n);
    assert_int_equal(out[0], 0xee);
    assert_int_equal(packet_encode(p, version, out, n), n);
    if (back.n > 0) {
        assert_int_equal(n, back.n);
        assert_memory_equal(out, back.p, n);
    }
    assert_int_equal(decode_bytes(bytes_of(out, n), proto, &f, &again), REASON_SUCCESS);
    assert_true(packet_equal(p, &again));
    free(out);
}

static void check_every_split(struct bytes whole, enum proto proto)
{
    struct frame f;
    enum reason why;

    for (size_t n = 0; n < whole.n; n++) {
        uint8_t *part = exact_copy(whole.p, n);
        assert_int_equal(frame_parse(bytes_of(part, n), whole.n, proto, &f, &why), FRAME_MORE);
        assert_true(f.total == 0 || f.total == whole.n);
        free(part);
    }
    assert_int_equal(frame_parse(whole, whole.n, proto, &f, &why), FRAME_WHOLE);
    assert_int_equal(f.total, whole.n);
    assert_int_equal(frame_parse(whole, whole.n - 1, proto, &f, &why), FRAME_BAD);
    assert_int_equal(why, REASON_PACKET_TOO_LARGE);
}

/* The types that end with something optional or with a list, and so may be whole when cut. */
static bool may_be_cut(const struct packet *p, enum proto proto)
{
    switch (p->type) {
    case PACKET_PUBLISH:
    case PACKET_SUBSCRIBE:
    case PACKET_UNSUBSCRIBE:
    case PACKET_SUBACK:
        return true;
    case PACKET_CONNECT:
        return p->connect.proto == PROTO_31;
    default:
        return proto == PROTO_5 && p->type != PACKET_CONNACK;
    }
}

static void check_every_cut(const struct frame *whole, const struct packet *p, enum proto proto)
{
    for (size_t n = 0; n < whole->body.n; n++) {
        uint8_t head[5] = {whole->raw.p[0]};
        struct wr w = wr_of(head + 1, sizeof head - 1);
        varint_write(&w, (uint32_t)n);
        size_t head_n = (size_t)(w.p - head);
        uint8_t *cut = malloc(head_n + n);
        assert_non_null(cut);
        memcpy(cut, head, head_n);
        memcpy(cut + head_n, whole->body.p, n);

        struct frame f;
        struct packet shorter;
        enum reason why = decode_bytes(bytes_of(cut, head_n + n), proto, &f, &shorter);
        if (why == REASON_SUCCESS) {
            assert_true(may_be_cut(p, proto));
            check_way_back(&shorter, proto, bytes_of(NULL, 0));
        }
        free(cut);
    }
}

static void check_vector(const struct vector *v, enum proto proto)
{
    uint8_t text[VECTOR_MAX], back[VECTOR_MAX];
    size_t n = vector_bytes(v->text, text);
    size_t back_n = vector_bytes(v->back != NULL ? v->back : v->text, back);
    uint8_t *copy = exact_copy(text, n);
    struct frame f;
    struct packet p;

    enum reason why = decode_bytes(bytes_of(copy, n), proto, &f, &p);
    if (why != v->why)
        fail_msg("%s, version %d: \"%s\" is 0x%02x (%s), not 0x%02x (%s)", v->name, proto, v->text, why,
                 reason_name(why), v->why, reason_name(v->why));
    if (why == REASON_SUCCESS) {
        check_way_back(&p, proto, bytes_of(back, back_n));
        check_every_split(bytes_of(copy, n), proto);
        check_every_cut(&f, &p, proto);
    }
    free(copy);
}

static void run_vector(void **state)
{
    static const enum proto protos[] = {PROTO_NONE, PROTO_31, PROTO_311, PROTO_5};
    const struct vector *v = *state;

    assert_true(v->versions != 0);
    for (size_t i = 0; i < sizeof protos / sizeof *protos; i++)
        if ((v->versions >> protos[i] & 1) != 0)
            check_vector(v, protos[i]);
}

static size_t add(struct CMUnitTest *tests, size_t n, const struct vector *v, size_t count)
{
    for (size_t i = 0; i < count; i++, n++)
        tests[n] = (struct CMUnitTest){v[i].name, run_vector, NULL, NULL, (void *)&v[i]};
    return n;
}

int main(void)
{
    struct CMUnitTest *tests = calloc(vectors3_count + vectors5_count, sizeof *tests);
    if (tests == NULL)
        return 1;
    size_t n = add(tests, 0, vectors3, vectors3_count);
    n = add(tests, n, vectors5, vectors5_count);
    int failed = _cmocka_run_group_tests("codec vectors", tests, n, NULL, NULL);
    free(tests);
    return failed;
}
