/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From an event to the characters of its line: escaping, cutting, addresses. */
#include "unit_base.h"

#include <stdio.h>

#include "sotto/base/log_gather.h"
#include "sotto/base/log_ring.h"
#include "sotto/base/mem.h"

static union log_record_room room;
static char line[LOG_LINE_MAX + 1];

static const char *line_of(enum log_format format, struct log_field field)
{
    struct log_record *r = log_record_make(&room, 1767323045678, LOG_WARN, "e", &field, 1);
    line[log_record_line(r, format, 0, line)] = '\0';
    return line;
}

static const char *text_of(const char *p, size_t n)
{
    const char *prefix = "2026-01-02T03:04:05.678Z warn e k=";
    const char *all = line_of(LOG_TEXT, LF_BYTES("k", bytes_of(p, n)));
    assert_memory_equal(all, prefix, strlen(prefix));
    return all + strlen(prefix);
}

static const char *json_of(const char *p, size_t n)
{
    const char *prefix = "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warn\",\"event\":\"e\",\"k\":";
    const char *all = line_of(LOG_JSON, LF_BYTES("k", bytes_of(p, n)));
    assert_memory_equal(all, prefix, strlen(prefix));
    return all + strlen(prefix);
}

static void text_from_a_peer_cannot_break_out(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *text, *json;
    } rows[] = {
        {"plain", 5, "\"plain\"", "\"plain\"}"},
        {"a\"b\\c", 5, "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"}"},
        {"1\n2\r3\t", 6, "\"1\\n2\\r3\\t\"", "\"1\\n2\\r3\\t\"}"},
        {"\0\x1b[2J\x7f", 6, "\"\\x00\\x1b[2J\\x7f\"", "\"\\u0000\\u001b[2J\\u007f\"}"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
         "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}"},
        {"\xc2\x9b", 2, "\"\\u009b\"", "\"\\u009b\"}"},           /* one byte of CSI to a terminal */
        {"\xe2\x80\xa8", 3, "\"\\u2028\"", "\"\\u2028\"}"},       /* a line separator */
        {"\xe2\x80\xae", 3, "\"\\u202e\"", "\"\\u202e\"}"},       /* turns the direction of writing */
        {"\xff\xc3", 2, "\"\\xff\\xc3\"", "\"\\ufffd\\ufffd\"}"}, /* no UTF-8, and a beginning without an end */
        {"\xc0\xaf", 2, "\"\\xc0\\xaf\"", "\"\\ufffd\\ufffd\"}"}, /* overlong */
        {"\xed\xa0\x80", 3, "\"\\xed\\xa0\\x80\"", "\"\\ufffd\\ufffd\\ufffd\"}"}, /* half of a surrogate pair */
        {"\xf4\x90\x80\x80", 4, "\"\\xf4\\x90\\x80\\x80\"", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"}"},
        {"", 0, "\"\"", "\"\"}"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(text_of(rows[i].in, rows[i].n), rows[i].text);
        assert_string_equal(json_of(rows[i].in, rows[i].n), rows[i].json);
    }
}

static void own_words_stand_without_quotes_where_they_can(void **state)
{
    (void)state;
    assert_non_null(strstr(line_of(LOG_TEXT, LF_STR("k", "tls-1.3")), " k=tls-1.3"));
    assert_non_null(strstr(line_of(LOG_TEXT, LF_STR("k", "a=b")), " k=\"a=b\""));
    assert_non_null(strstr(line_of(LOG_TEXT, LF_STR("k", "")), " k=\"\""));
    assert_non_null(strstr(line_of(LOG_TEXT, LF_STR("a b\n", "x")), " a_b_=x"));
    assert_non_null(strstr(line_of(LOG_TEXT, LF_INT("k", INT64_MIN)), " k=-9223372036854775808"));
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    char in[LOG_VALUE_MAX + 10];
    memset(in, 'a', sizeof(in));
    memcpy(in + LOG_VALUE_MAX - 1, "\xe2\x82\xac", 3);
    const char *out = text_of(in, sizeof(in));
    assert_int_equal(strlen(out), LOG_VALUE_MAX - 1 + 5);
    assert_string_equal(out + LOG_VALUE_MAX - 2, "aa...\"");
    memset(in, 0x80, sizeof(in)); /* nowhere a beginning */
    out = text_of(in, sizeof(in));
    assert_true(strlen(out) > 4 * (LOG_VALUE_MAX - 4));
}

static void the_longest_record_makes_a_line_that_fits(void **state)
{
    (void)state;
    uint8_t bad[600];
    struct log_field f[300];
    memset(bad, 1, sizeof(bad));
    for (unsigned i = 0; i < 300; i++)
        f[i] = LF_BYTES("a_key", bytes_of(bad, i < 10 ? sizeof(bad) : 0));
    struct log_record *r = log_record_make(&room, 0, LOG_INFO, "e", f, 300);
    assert_true(r->size <= LOG_RECORD_MAX && r->size > LOG_RECORD_MAX - 20);
    size_t n = log_record_line(r, LOG_JSON, UINT32_MAX, line);
    assert_true(n < LOG_LINE_MAX);
    assert_memory_equal(line + n - 23, ",\"repeated\":4294967295}", 23);
    r = log_record_make(&room, 0, LOG_INFO, "e", f + 10, 290);
    assert_int_equal(r->fields, 255);
}

static void an_address_loses_its_port_only(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"10.0.0.7:51234", "10.0.0.7"}, {"[fe80::1%eth0]:1", "fe80::1%eth0"},
        {"fe80::1", "fe80::1"},         {"10.0.0.7", "10.0.0.7"},
        {"[broken", "[broken"},         {"", ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct log_field f[] = {LF_STR("x", "y"), LF_PEER("peer", rows[i][0])};
        struct bytes address;
        assert_true(log_record_peer(log_record_make(&room, 0, LOG_INFO, "e", f, 2), &address));
        assert_true(bytes_equal(address, bytes_str(rows[i][1])));
        assert_false(log_record_peer(log_record_make(&room, 0, LOG_INFO, "e", f, 1), &address));
    }
}

static struct log_record *record_number(unsigned i)
{
    struct log_field f = LF_INT("i", i);
    char event[200];
    memset(event, 'e', sizeof(event));
    event[i % 61] = '\0';
    return log_record_make(&room, i, LOG_INFO, event, &f, 1);
}

static void a_ring_gives_back_records_in_order_and_counts_the_rest(void **state)
{
    (void)state;
    static _Atomic(struct log_ring *) list; /* rings are kept for good */
    struct rng r = {14};
    struct log_ring *ring = log_ring_claim(&list);
    unsigned in = 0, out = 0;
    int64_t t;
    assert_false(log_ring_time(ring, &t));
    while (in < 50000) {
        for (unsigned n = rng_below(&r, 400); n > 0 && ring->lost == 0; n--) {
            log_ring_push(ring, record_number(in));
            in += ring->lost == 0;
        }
        ring->lost = 0;
        for (unsigned n = rng_below(&r, 500); n > 0 && log_ring_time(ring, &t); n--, out++) {
            assert_int_equal(t, out);
            struct log_record *got = log_ring_pop(ring, &room);
            assert_int_equal(got->time_ms, out);
            assert_int_equal(got->event, out % 61);
        }
        assert_int_equal(log_ring_time(ring, &t), out < in);
    }
    while (ring->lost < 3)
        log_ring_push(ring, record_number(60));
    assert_true(log_ring_crowded(ring));
    log_ring_release(ring);
    assert_ptr_equal(log_ring_claim(&list), ring);
    struct log_ring *other = log_ring_claim(&list);
    assert_ptr_not_equal(other, ring);
    assert_int_equal((uintptr_t)other % 64, 0);
}

static void count_emitted(const struct log_record *r, uint32_t repeated, void *ctx)
{
    uint32_t *sum = ctx;
    assert_int_equal(r->level, LOG_WARN);
    sum[0]++;
    sum[1] += repeated;
}

static bool admit(struct log_gather *g, unsigned peer, msec now)
{
    char address[32];
    snprintf(address, sizeof(address), "10.%u.%u.1:9", peer / 256, peer % 256);
    return log_gather_admit(g, log_record_make(&room, 0, LOG_WARN, "e", &LF_PEER("p", address), 1), now);
}

static void windows_end_in_time_and_are_bounded_in_number(void **state)
{
    (void)state;
    size_t before = mem_in_use();
    struct log_gather g;
    uint32_t sum[2] = {0};
    log_gather_init(&g, 1000);
    assert_int_equal(log_gather_next(&g), MSEC_NEVER);
    assert_true(admit(&g, 1, 50));
    assert_false(admit(&g, 1, 60));
    assert_false(admit(&g, 1, 1000));
    assert_true(admit(&g, 2, 70));
    assert_int_equal(log_gather_next(&g), 1050);
    log_gather_expire(&g, 1049, count_emitted, sum);
    assert_int_equal(sum[0], 0);
    log_gather_expire(&g, 1050, count_emitted, sum);
    assert_int_equal(sum[0], 1);
    assert_int_equal(sum[1], 2);
    assert_int_equal(log_gather_next(&g), 1070);
    for (unsigned i = 0; i < 3000; i++)
        assert_int_equal(admit(&g, i, 1060), i != 2);
    assert_int_equal(g.map.count, LOG_GATHER_MAX);
    assert_true(admit(&g, 2999, 1060)); /* the table is full: lines pass */
    log_gather_expire(&g, MSEC_NEVER, count_emitted, sum);
    assert_int_equal(sum[1], 3);
    assert_true(admit(&g, 1, 5000));
    mem_fail_at(1);
    assert_true(admit(&g, 1, 5000)); /* no memory to remember it: written at once */
    log_gather_fini(&g);
    assert_int_equal(mem_in_use(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_from_a_peer_cannot_break_out),
        cmocka_unit_test(own_words_stand_without_quotes_where_they_can),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(the_longest_record_makes_a_line_that_fits),
        cmocka_unit_test(an_address_loses_its_port_only),
        cmocka_unit_test(a_ring_gives_back_records_in_order_and_counts_the_rest),
        cmocka_unit_test(windows_end_in_time_and_are_bounded_in_number),
    };
    return cmocka_run_group_tests_name("log_record", tests, NULL, NULL);
}
