/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The checker against a plain model that remembers every number: it must call lost, late and second copies by name. And
 * the topics of deliveries, said in full or by an alias: a wrong one must not pass.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static void in_order_is_clean(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0};
    for (uint64_t i = 0; i < 1000; i++)
        assert_int_equal(check_arrival(&stream, i, &totals), 1);
    assert_int_equal(totals.received, 1000);
    assert_int_equal(totals.duplicated + totals.reordered, 0);
    assert_null(stream.gaps);
}

static void late_is_not_a_copy(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0};
    assert_int_equal(check_arrival(&stream, 4, &totals), 5);
    assert_int_equal(check_arrival(&stream, 2, &totals), 0);
    assert_int_equal(totals.reordered, 1);
    assert_int_equal(check_arrival(&stream, 2, &totals), 0);
    assert_int_equal(check_arrival(&stream, 4, &totals), 0);
    assert_int_equal(totals.duplicated, 2);
    assert_int_equal(totals.received, 2);
    assert_int_equal(stream.gap_count, 2);
    check_fini(&stream);
}

enum { NUMBERS = 600, ARRIVALS = 2000 };

static void random_arrivals_match_the_model(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0}, model = {0};
    static unsigned char seen[NUMBERS];
    uint64_t highest = 0;
    srand(7);
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < ARRIVALS; i++) {
        uint64_t number = (uint64_t)(rand() % NUMBERS);
        model.duplicated += seen[number];
        model.received += !seen[number];
        model.reordered += !seen[number] && number < highest;
        seen[number] = 1;
        highest = number + 1 > highest ? number + 1 : highest;
        check_arrival(&stream, number, &totals);
    }
    assert_memory_equal(&totals, &model, sizeof totals);
    check_fini(&stream);
}

static void too_many_gaps_are_said(void **state)
{
    (void)state;
    struct check_stream stream = {0};
    struct check_totals totals = {0};
    for (uint64_t i = 0; i <= CHECK_GAPS; i++)
        check_arrival(&stream, 2 * i + 1, &totals);
    assert_int_equal(totals.forgotten, 1);
    assert_int_equal(stream.gap_count, CHECK_GAPS);
    check_fini(&stream);
}

/* A PUBLISH of 5.0 as it would come from a broker; static memory. */
static struct packet_delivery delivery_of(const char *topic, uint16_t alias)
{
    static uint8_t bytes[200];
    struct packet_model model = {.topic = topic, .v5 = true, .alias = alias, .payload = PACKET_STAMP};
    struct packet_publish made;
    struct packet_frame frame;
    struct packet_delivery d;
    packet_publish(bytes, &model, &made);
    assert_int_equal(packet_read(&frame, bytes, made.size), 0);
    assert_int_equal(frame.size, made.size);
    assert_true(packet_read_publish(&frame, true, &d));
    assert_int_equal(d.alias, alias);
    assert_int_equal(d.payload_size, PACKET_STAMP);
    return d;
}

static bool fits(uint32_t *aliases, const char *topic, uint16_t alias, uint32_t publisher)
{
    static const char *const topics[] = {"t/0", "t/1"};
    struct packet_delivery d = delivery_of(topic, alias);
    return check_topic(aliases, &d, publisher, topics[publisher], 3);
}

static void a_topic_is_compared(void **state)
{
    (void)state;
    uint32_t aliases[PACKET_ALIASES] = {0};
    assert_true(fits(aliases, "t/1", 0, 1));
    assert_false(fits(aliases, "t/0", 0, 1));
    assert_false(fits(aliases, "t/11", 0, 1));
    assert_false(fits(aliases, "", 0, 0));
}

static void an_alias_stands_for_what_it_was_set_to(void **state)
{
    (void)state;
    uint32_t aliases[PACKET_ALIASES] = {0};
    assert_false(fits(aliases, "", 3, 0)); /* never set */
    assert_true(fits(aliases, "t/0", 3, 0));
    assert_true(fits(aliases, "", 3, 0));
    assert_false(fits(aliases, "", 3, 1));
    assert_false(fits(aliases, "", 4, 0));
    assert_true(fits(aliases, "t/1", 3, 1)); /* set anew */
    assert_true(fits(aliases, "", 3, 1));
    assert_false(fits(aliases, "", 3, 0));
    assert_false(fits(aliases, "t/x", 3, 1)); /* set to a topic that nobody writes to */
    assert_false(fits(aliases, "", 3, 1));
    assert_false(fits(aliases, "t/0", PACKET_ALIASES + 1, 0));
}

static bool reads(const char *bytes, size_t size, bool v5)
{
    struct packet_frame frame;
    struct packet_delivery d;
    assert_int_equal(packet_read(&frame, (const uint8_t *)bytes, size), 0);
    assert_int_equal(frame.size, size);
    return packet_read_publish(&frame, v5, &d);
}

static void only_an_alias_may_come_along(void **state)
{
    (void)state;
    assert_true(reads("\x30\x05\0\1t\0p", 7, true));
    assert_true(reads("\x30\x08\0\1t\3\x23\0\1p", 10, true));
    assert_false(reads("\x30\x07\0\1t\2\x01\1p", 9, true));          /* payload format */
    assert_false(reads("\x30\x08\0\1t\3\x0b\1\1p", 10, true));       /* a subscription identifier */
    assert_false(reads("\x30\x0a\0\1t\5\x23\0\1\x01\1p", 12, true)); /* something behind the alias */
    assert_false(reads("\x30\x05\0\1t\3\x23", 7, true));             /* cut off */
    assert_false(reads("\x30\x04\0\1t\x80", 6, true));
    assert_false(reads("\x30\x03\0\2t", 5, true));
    assert_false(reads("\x32\x04\0\1t\0", 6, false));
    assert_true(reads("\x32\x05\0\1t\0\1", 7, false));
}

static bool welcomes(const char *bytes, size_t size, bool v5, struct packet_terms *terms)
{
    struct packet_frame frame;
    assert_int_equal(packet_read(&frame, (const uint8_t *)bytes, size), 0);
    return packet_read_connack(&frame, v5, terms);
}

static void a_connack_says_its_terms(void **state)
{
    (void)state;
    struct packet_terms terms;
    assert_true(welcomes("\x20\2\0\0", 4, false, &terms));
    assert_int_equal(terms.receive_max, 65535);
    assert_int_equal(terms.alias_max, 0);
    assert_true(welcomes("\x20\x12\0\0\x0f\x21\0\5\x26\0\1a\0\1b\x24\1\x22\0\7", 20, true, &terms));
    assert_int_equal(terms.code, 0);
    assert_int_equal(terms.receive_max, 5);
    assert_int_equal(terms.alias_max, 7);
    assert_true(welcomes("\x20\3\0\x87\0", 5, true, &terms));
    assert_int_equal(terms.code, 0x87);
    assert_false(welcomes("\x20\2\0\0", 4, true, &terms));
    assert_false(welcomes("\x20\5\0\0\2\x21\0", 7, true, &terms));
    assert_false(welcomes("\x20\6\0\0\3\x23\0\1", 8, true, &terms));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_is_clean),
        cmocka_unit_test(late_is_not_a_copy),
        cmocka_unit_test(random_arrivals_match_the_model),
        cmocka_unit_test(too_many_gaps_are_said),
        cmocka_unit_test(a_topic_is_compared),
        cmocka_unit_test(an_alias_stands_for_what_it_was_set_to),
        cmocka_unit_test(only_an_alias_may_come_along),
        cmocka_unit_test(a_connack_says_its_terms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
