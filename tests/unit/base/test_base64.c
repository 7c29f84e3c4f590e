/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_base.h"

#include "sotto/base/base64.h"

/* RFC 4648, section 10, and all of the alphabet. */
static const struct {
    const char *bytes, *text, *bare;
} pairs[] = {
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xff\xef\xbe\xfb\xf0", "/++++/A=", "/++++/A"},
};

static void expect_read(const char *text, enum base64_padding padding, const char *bytes)
{
    uint8_t out[16];
    size_t n = 99;
    assert_true(base64_read(bytes_str(text), padding, out, sizeof out, &n));
    assert_int_equal(n, strlen(bytes));
    assert_memory_equal(out, bytes, n);
    /* One byte less of room. */
    assert_false(base64_read(bytes_str(text), padding, out, n - 1, &n));
    assert_int_equal(n, 0);
}

static void vectors_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        char text[16];
        size_t n = strlen(pairs[i].bytes);
        assert_int_equal(base64_write(pairs[i].bytes, n, BASE64_PADDED, text), strlen(pairs[i].text));
        assert_string_equal(text, pairs[i].text);
        assert_int_equal(strlen(text) + 1, BASE64_SIZE(n));
        assert_int_equal(base64_write(pairs[i].bytes, n, BASE64_UNPADDED, text), strlen(pairs[i].bare));
        assert_string_equal(text, pairs[i].bare);
        expect_read(pairs[i].text, BASE64_PADDED, pairs[i].bytes);
        expect_read(pairs[i].text, BASE64_UNPADDED, pairs[i].bytes);
        expect_read(pairs[i].bare, BASE64_UNPADDED, pairs[i].bytes);
    }
    char nothing[1] = "x";
    assert_int_equal(base64_write("", 0, BASE64_PADDED, nothing), 0);
    assert_string_equal(nothing, "");
}

static void what_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"",       "=",    "==",       "Zg=",      "Zg===", "Z",
                                      "Zh==",   "Zm9=", "Zm9v=",    "Zm9v====", "Zm9vY", "Zm 9v",
                                      "Zm9v\n", "Zm-_", "Zg==Zg==", "Z=g=",     "====",  "A==="};
    uint8_t out[16];
    size_t n;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(base64_read(bytes_str(bad[i]), BASE64_PADDED, out, sizeof out, &n));
        assert_false(base64_read(bytes_str(bad[i]), BASE64_UNPADDED, out, sizeof out, &n));
    }
    assert_false(base64_read(bytes_str("Zg"), BASE64_PADDED, out, sizeof out, &n));
    assert_false(base64_read(bytes_of("Zm9\0", 4), BASE64_PADDED, out, sizeof out, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_both_ways),
        cmocka_unit_test(what_is_none_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
