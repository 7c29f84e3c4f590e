/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_store.h"

#include "sotto/store/scram_verifier.h"
#include "sotto/store/users.h"

/* Computed by Python's hashlib; the first one's password, salt and iterations are those of RFC 7677. */
#define PENCIL                                                                                                         \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define OTHER                                                                                                          \
    "SCRAM-SHA-256$5000:MDEyMzQ1Njc4OWFiY2RlZg==$4f1Q4cJI1M9fkmMGJ7LtZM4QcTPk3Cb2aBxNFj3sK94=:"                        \
    "V4ZLXI/AylX5rqv2ANbTvLLCdPhu3WZoBb+6qEy/WTA="
#define LONG                                                                                                           \
    "SCRAM-SHA-256$16384:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v$"                            \
    "fn7ceGAEQZ/6a0+2LBroa1WNNQ/UuFzVzl/WH5Iq6Ec=:pZOzcmKuQWpjmtsOfdX0hO1fuXm4U9BAyypXrBHq3cI="
#define KEYS "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static const struct {
    const char *password, *text;
} known[] = {{"pencil", PENCIL}, {"other", OTHER}, {"\u043f\u0430\u0440\u043e\u043b\u044c", LONG}};

static void verifiers_of_other_programs_are_read_made_and_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct scram_verifier v, made;
        char text[SCRAM_TEXT_MAX];
        const char *why = scram_verifier_read(known[i].text, &v);
        if (why != NULL)
            fail_msg("%s: %s", known[i].text, why);
        scram_verifier_write(&v, text);
        assert_string_equal(text, known[i].text);
        assert_true(scram_verifier_make(bytes_str(known[i].password), bytes_of(v.salt, v.salt_n), v.iterations, &made));
        scram_verifier_write(&made, text);
        assert_string_equal(text, known[i].text);
        assert_true(scram_verifier_make(bytes_str("x"), bytes_of(v.salt, v.salt_n), v.iterations, &made));
        assert_memory_not_equal(made.stored_key, v.stored_key, SCRAM_KEY_SIZE);
        assert_memory_not_equal(made.server_key, v.server_key, SCRAM_KEY_SIZE);
    }
}

static void a_fresh_one_is_salted_and_fits_a_line(void **state)
{
    char one[SCRAM_TEXT_MAX], two[SCRAM_TEXT_MAX], again[SCRAM_TEXT_MAX];
    struct scram_verifier v, made;
    struct bytes password = bytes_of("\x00 \xff", 3);
    (void)state;
    assert_true(scram_verifier_fresh(password, one));
    assert_true(scram_verifier_fresh(password, two));
    assert_string_not_equal(one, two);
    assert_true(strlen("scram=") + strlen(one) < 200);
    assert_null(scram_verifier_read(one, &v));
    assert_true(v.iterations >= 15000);
    assert_int_equal(v.salt_n, 16);
    assert_true(scram_verifier_make(password, bytes_of(v.salt, v.salt_n), v.iterations, &made));
    scram_verifier_write(&made, again);
    assert_string_equal(one, again);
}

static void what_cannot_be_made_is_refused(void **state)
{
    struct scram_verifier v;
    uint8_t salt[SCRAM_SALT_MAX + 1] = {0};
    (void)state;
    assert_false(scram_verifier_make(bytes_str("x"), bytes_of(salt, SCRAM_SALT_MIN - 1), 1, &v));
    assert_false(scram_verifier_make(bytes_str("x"), bytes_of(salt, SCRAM_SALT_MAX + 1), 1, &v));
    assert_false(scram_verifier_make(bytes_of(salt, 65536), bytes_of(salt, 16), 1, &v));
    assert_false(scram_verifier_make(bytes_str("x"), bytes_of(salt, 16), 0, &v));
    assert_true(scram_verifier_make(bytes_str(""), bytes_of(salt, SCRAM_SALT_MAX), 1, &v));
}

static const struct {
    const char *text, *why;
} damaged[] = {
    {"", "not a verifier"},
    {"pencil", "not a verifier"},
    {"SCRAM-SHA-1$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "not a verifier"},
    {"scram-sha-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "not a verifier"},
    {"SCRAM-SHA-256$", "iterations is damaged"},
    {"SCRAM-SHA-256$:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "iterations is damaged"},
    {"SCRAM-SHA-256$04096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "iterations is damaged"},
    {"SCRAM-SHA-256$+4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "iterations is damaged"},
    {"SCRAM-SHA-256$4096", "iterations is damaged"},
    {"SCRAM-SHA-256$4294971392:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "iterations is damaged"},
    {"SCRAM-SHA-256$4095:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "out of range"},
    {"SCRAM-SHA-256$10000001:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS, "out of range"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==", "salt is damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ$" KEYS, "salt is damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNQ==$" KEYS, "salt is damaged"},
    {"SCRAM-SHA-256$4096:$" KEYS, "salt is damaged"},
    {"SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vAAAA$" KEYS,
     "salt is damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$", "keys are damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", "keys are damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:", "keys are damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d:wfPL", "keys are damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS "=", "keys are damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS " ", "keys are damaged"},
    {"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$" KEYS ":" KEYS, "keys are damaged"},
};

static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        struct scram_verifier v;
        const char *why = scram_verifier_read(damaged[i].text, &v);
        if (why == NULL || strstr(why, damaged[i].why) == NULL)
            fail_msg("'%s': %s instead of %s", damaged[i].text, why != NULL ? why : "accepted", damaged[i].why);
    }
}

static struct users *parse(const char *text)
{
    struct users *u = users_parse("u", bytes_str(text), NULL, NULL);
    assert_non_null(u);
    return u;
}

static bool same_salt(const struct scram_verifier *a, const struct scram_verifier *b)
{
    return a->iterations == b->iterations && a->salt_n == b->salt_n && memcmp(a->salt, b->salt, a->salt_n) == 0;
}

static void a_user_has_a_verifier_and_everybody_else_a_lasting_decoy(void **state)
{
    static const char file[] =
        "[alice]\nscram = " PENCIL
        "\n[bob]\n"
        "password = $argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzYWx0$vT9ohAnsShQO1BHCSPk+XMVLL2yfuxnv\n";
    struct scram_verifier v, bob, again, other;
    char text[SCRAM_TEXT_MAX];
    (void)state;
    struct users *u = parse(file);
    assert_true(users_scram(u, bytes_str("alice"), &v));
    scram_verifier_write(&v, text);
    assert_string_equal(text, PENCIL);
    assert_null(users_password(u, bytes_str("alice")));
    assert_false(users_scram(u, bytes_str("bob"), &bob));
    assert_false(users_scram(u, bytes_str("mallory"), &other));
    assert_false(same_salt(&bob, &other));
    assert_false(same_salt(&bob, &v));
    assert_int_equal(bob.iterations, v.iterations);
    assert_int_equal(bob.salt_n, v.salt_n);
    assert_false(users_scram(u, bytes_str("bob"), &again));
    assert_true(same_salt(&bob, &again));
    assert_memory_not_equal(bob.stored_key, again.stored_key, SCRAM_KEY_SIZE);
    assert_false(users_scram(u, bytes_str("*"), &again));
    assert_false(users_scram(u, bytes_str(""), &again));
    users_unref(u);
    /* The same file after a restart; another one. */
    u = parse(file);
    assert_false(users_scram(u, bytes_str("bob"), &again));
    assert_true(same_salt(&bob, &again));
    users_unref(u);
    u = parse("[alice]\nscram = " OTHER "\n");
    assert_false(users_scram(u, bytes_str("bob"), &again));
    assert_false(same_salt(&bob, &again));
    users_unref(u);
}

static void decoys_look_like_the_users_there_are(void **state)
{
    unsigned like_other = 0, like_long = 0;
    struct scram_verifier v;
    (void)state;
    struct users *u = parse("[none]\n[a]\nscram = " OTHER "\n[b]\nscram = " LONG "\n");
    for (unsigned i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "name %u", i);
        assert_false(users_scram(u, bytes_str(name), &v));
        like_other += v.iterations == 5000 && v.salt_n == 16;
        like_long += v.iterations == 16384 && v.salt_n == 48;
    }
    users_unref(u);
    assert_int_equal(like_other + like_long, 100);
    assert_true(like_other > 20 && like_long > 20);
    /* Where there are none, like one that `sotto passwd` makes. */
    u = users_empty();
    assert_false(users_scram(u, bytes_str("name"), &v));
    assert_int_equal(v.salt_n, 16);
    assert_int_equal(v.iterations, 16384);
    users_unref(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifiers_of_other_programs_are_read_made_and_written),
        cmocka_unit_test(a_fresh_one_is_salted_and_fits_a_line),
        cmocka_unit_test(what_cannot_be_made_is_refused),
        cmocka_unit_test(what_is_damaged_is_refused),
        cmocka_unit_test(a_user_has_a_verifier_and_everybody_else_a_lasting_decoy),
        cmocka_unit_test(decoys_look_like_the_users_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
