/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every row is tried alone and at every place of a longer string: plain ASCII is checked eight bytes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sotto/codec/topic.h"
#include "vector.h"

struct row {
    const char *what, *text;
};

static const struct row good[] = {
    {"nothing", ""},
    {"ASCII", "'sport/tennis'"},
    {"U+0001, the first", "01"},
    {"U+001F, a control character", "1f"},
    {"U+007F, the last of one byte", "7f"},
    {"U+0080, the first of two bytes", "c280"},
    {"U+07FF, the last of two bytes", "dfbf"},
    {"U+0800, the first of three bytes", "e0a080"},
    {"U+1000", "e18080"},
    {"U+CFFF", "ecbfbf"},
    {"U+D7FF, before the surrogates", "ed9fbf"},
    {"U+E000, behind the surrogates", "ee8080"},
    {"U+FEFF, kept as it is", "efbbbf"},
    {"U+FDD0, a non-character", "efb790"},
    {"U+FFFE, a non-character", "efbfbe"},
    {"U+FFFF, a non-character, the last of three bytes", "efbfbf"},
    {"U+10000, the first of four bytes", "f0908080"},
    {"U+1FFFE, a non-character", "f09fbfbe"},
    {"U+2A6D4, the standard's example", "f0aa9b94"},
    {"U+40000", "f1808080"},
    {"U+FFFFF", "f3bfbfbf"},
    {"U+10FFFF, the last of all", "f48fbfbf"},
};

static const struct row bad[] = {
    {"U+0000", "00"},
    {"a tail without a head", "80"},
    {"the last tail without a head", "bf"},
    {"U+0000 in two bytes", "c080"},
    {"a slash in two bytes", "c0af"},
    {"U+007F in two bytes", "c1bf"},
    {"a head of two bytes alone", "c2"},
    {"a head of two bytes and ASCII", "c241"},
    {"a head of two bytes and a head", "c2c2"},
    {"U+0000 in three bytes", "e08080"},
    {"U+07FF in three bytes", "e09fbf"},
    {"two bytes of three", "e282"},
    {"ASCII as the third of three", "e28241"},
    {"ASCII as the second of three", "e24182"},
    {"U+D800, the first surrogate", "eda080"},
    {"U+DBFF, a surrogate", "edafbf"},
    {"U+DC00, a surrogate", "edb080"},
    {"U+DFFF, the last surrogate", "edbfbf"},
    {"a pair of surrogates", "eda081edb080"},
    {"U+0000 in four bytes", "f0808080"},
    {"U+FFFF in four bytes", "f08fbfbf"},
    {"three bytes of four", "f09080"},
    {"ASCII as the fourth of four", "f0908041"},
    {"a head as the third of four", "f090c080"},
    {"U+110000, one too many", "f4908080"},
    {"a head of what would be U+140000", "f5808080"},
    {"a head of five bytes", "f888808080"},
    {"a head of six bytes", "fc8480808080"},
    {"FE", "fe"},
    {"FF", "ff"},
};

/* The text behind so many letters and before others; in a block of its exact size. */
static bool valid_between(struct bytes text, size_t before, size_t after)
{
    size_t n = before + text.n + after;
    uint8_t *p = malloc(n > 0 ? n : 1);

    assert_non_null(p);
    memset(p, 'x', n);
    if (text.n > 0)
        memcpy(p + before, text.p, text.n);
    bool valid = utf8_valid(bytes_of(p, n));
    free(p);
    return valid;
}

static void check_rows(const struct row *rows, size_t count, bool want)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t b[VECTOR_MAX];
        size_t n = vector_bytes(rows[i].text, b);
        for (size_t before = 0; before < 18; before++)
            for (size_t after = 0; after < 18; after++)
                if (valid_between(bytes_of(b, n), before, after) != want)
                    fail_msg("%s, behind %zu and before %zu letters", rows[i].what, before, after);
    }
}

static void characters_are_valid__MQTT5_1_5_4_3__MQTT_1_5_3_3(void **state)
{
    (void)state;
    check_rows(good, sizeof good / sizeof *good, true);
}

static void what_is_no_character_is_refused__MQTT5_1_5_4_1__MQTT5_1_5_4_2__MQTT_1_5_3_1__MQTT_1_5_3_2(void **state)
{
    (void)state;
    check_rows(bad, sizeof bad / sizeof *bad, false);
}

static size_t encode(uint32_t c, uint8_t *b)
{
    if (c < 0x80) {
        b[0] = (uint8_t)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const uint8_t heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        b[i] = (uint8_t)(0x80 | (c & 0x3f));
    b[0] = (uint8_t)(heads[n] | c);
    return n;
}

static void every_code_point_is_judged_right(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x120000; c++) {
        uint8_t b[4];
        size_t n = encode(c, b);
        bool want = c != 0 && c <= 0x10ffff && !(c >= 0xd800 && c <= 0xdfff);
        if (utf8_valid(bytes_of(b, n)) != want)
            fail_msg("U+%04X", c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_valid__MQTT5_1_5_4_3__MQTT_1_5_3_3),
        cmocka_unit_test(what_is_no_character_is_refused__MQTT5_1_5_4_1__MQTT5_1_5_4_2__MQTT_1_5_3_1__MQTT_1_5_3_2),
        cmocka_unit_test(every_code_point_is_judged_right),
    };
    return cmocka_run_group_tests_name("codec utf8", tests, NULL, NULL);
}
