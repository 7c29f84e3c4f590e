/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_store.h"

#include "sotto/store/password.h"

/* Made by libargon2's own encoder, mosquitto_passwd and Python's hashlib. */
static const struct {
    const char *password, *hash;
} known[] = {
    {"pass word", "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$YnKzb/u6hmJ516aEqJGlb8wjpkNVOVVSyr/RTHTNGTc"},
    {"pass word", "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzYWx0$vT9ohAnsShQO1BHCSPk+XMVLL2yfuxnv"},
    {"", "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ"},
    {"pass word",
     "$6$3kmAfhdOGIuescYq$zKhhjBiRtXMv/lMZeqndWN4/wAR4niW3N/24KujZ42ehquMqdTsbVjZtyF0k5WKKCBYHl7RjY1m/"
     "GiusLdGAwg=="},
    {"pass word",
     "$7$101$mCnTZN/LzJ3bybYF$S/ppxNrxdDAxowKEKRQGMdAORRMaz50NR9QLYnpyPr2XbTbqWFyEwV/okZIOylf8HacLfMuQWraw"
     "s990cm5Sww=="},
    {"pass word",
     "$7$1000$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==$"
     "DaNDeYt9rjkyg44Cd3fvAiAB0qU8mWtbRAT/ZtbeKE1hxcEjh7lLtMwgFPy5Zstg3UFMljnNDr12rBawSE3+yw=="},
    {"", "$7$1$AAEC$c2+EpXjYg9g0RSWQbpjdArXB+0IklSxS5NLsSP1q+zIoIXb3/o4NRkYqMEvMgnrHAMFTZ7V5MQZpgvNWTjI1gQ=="},
};

static void hashes_of_other_programs_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const char *why = password_hash_fault(known[i].hash);
        if (why != NULL)
            fail_msg("%s: %s", known[i].hash, why);
        assert_true(password_verify(bytes_str(known[i].password), known[i].hash));
        assert_false(password_verify(bytes_str("pass wore"), known[i].hash));
        assert_false(password_verify(bytes_str("pass word "), known[i].hash));
    }
}

static void a_fresh_hash_is_salted_and_verifies(void **state)
{
    static const char binary[] = "\x00\xff password \x00";
    char one[PASSWORD_HASH_MAX], two[PASSWORD_HASH_MAX];
    struct bytes password = bytes_of(binary, sizeof binary);
    (void)state;
    assert_true(password_hash(password, one));
    assert_true(password_hash(password, two));
    assert_string_not_equal(one, two);
    assert_int_equal(strncmp(one, "$argon2id$v=19$m=19456,t=2,p=1$", 31), 0);
    assert_null(password_hash_fault(one));
    assert_true(strlen("password=") + strlen(one) < 200);
    assert_true(password_verify(password, one));
    assert_true(password_verify(password, two));
    password.n--;
    assert_false(password_verify(password, one));
}

static void what_is_damaged_foreign_or_too_dear_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "secret",
        "$",
        "$6$",
        "$7$",
        "$argon2id$",
        "$argon2i$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6um",
        "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=16$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zX",
        /* cost */
        "$argon2id$v=19$m=262145,t=1,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$argon2id$v=19$m=262144,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$argon2id$v=19$m=64,t=4294967295,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$argon2id$v=19$m=64,t=0,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$argon2id$v=19$m=7,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$argon2id$v=19$m=64,t=3,p=0$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$argon2id$v=19$m=6400,t=3,p=17$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$7$0$AAEC$c2+EpXjYg9g0RSWQbpjdArXB+0IklSxS5NLsSP1q+zIoIXb3/o4NRkYqMEvMgnrHAMFTZ7V5MQZpgvNWTjI1gQ==",
        "$7$1000001$AAEC$c2+EpXjYg9g0RSWQbpjdArXB+0IklSxS5NLsSP1q+zIoIXb3/o4NRkYqMEvMgnrHAMFTZ7V5MQZpgvNWTjI1gQ==",
        /* damage */
        "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ$",
        "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$",
        "$argon2id$v=19$m=64,t=3,p=1$MDEy$7uDD4c2ZCroP6umVVTx+UE4T",
        "$argon2id$v=19$m=64,t=3,p=1$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2",
        "$argon2id$v=19$m=64,t=3$MDEyMzQ1Njc4OWFiY2RlZg$7uDD4c2ZCroP6umVVTx+UE4Ty6zXKLJloo5YX7iRSCQ",
        "$7$1$AAEC$c2+EpXjYg9g0RSWQbpjdArXB+0IklSxS5NLsSP1q+zIoIXb3/o4NRkYqMEvMgnrHAMFTZ7V5MQZpgvNWTjI1==",
        "$7$1$$c2+EpXjYg9g0RSWQbpjdArXB+0IklSxS5NLsSP1q+zIoIXb3/o4NRkYqMEvMgnrHAMFTZ7V5MQZpgvNWTjI1gQ==",
        "$6$AA!C$c2+EpXjYg9g0RSWQbpjdArXB+0IklSxS5NLsSP1q+zIoIXb3/o4NRkYqMEvMgnrHAMFTZ7V5MQZpgvNWTjI1gQ==",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (password_hash_fault(bad[i]) == NULL)
            fail_msg("taken: %s", bad[i]);
        if (i < 4)
            assert_false(password_verify(bytes_str(bad[i]), bad[i]));
    }
    char long_one[400];
    memset(long_one, 'A', sizeof long_one - 1);
    long_one[sizeof long_one - 1] = '\0';
    memcpy(long_one, "$6$", 3);
    assert_non_null(password_hash_fault(long_one));
}

static void no_hash_is_never_right(void **state)
{
    (void)state;
    assert_false(password_verify(bytes_str(""), NULL));
    assert_false(password_verify(bytes_str("anything"), NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_of_other_programs_are_checked),
        cmocka_unit_test(a_fresh_hash_is_salted_and_verifies),
        cmocka_unit_test(what_is_damaged_foreign_or_too_dear_is_refused),
        cmocka_unit_test(no_hash_is_never_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
