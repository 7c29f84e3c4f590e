/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RFC 7677's example to the byte, then everything that differs from it. */
#include "unit_store.h"

#include "scram_client.h"
#include "sotto/base/mem.h"
#include "sotto/store/scram.h"

#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define NONCE CLIENT_NONCE SERVER_NONCE
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define PENCIL                                                                                                         \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define ORDINARY "unknown user or wrong password"

static struct scram_verifier pencil;

static int setup(void **state)
{
    (void)state;
    return scram_verifier_read(PENCIL, &pencil) == NULL ? 0 : -1;
}

static struct scram *begin(const char *first, bool known, const char *nonce)
{
    struct scram_hello h;
    const char *why = scram_hello_read(bytes_str(first), &h);
    if (why != NULL)
        fail_msg("%s: %s", first, why);
    return scram_new(&h, &pencil, known, bytes_str(nonce));
}

static struct scram *begin_example(void)
{
    return begin("n,,n=user,r=" CLIENT_NONCE, true, SERVER_NONCE);
}

static void expect_challenge(const struct scram *s, const char *expected)
{
    struct bytes b = scram_challenge(s);
    assert_int_equal(b.n, strlen(expected));
    assert_memory_equal(b.p, expected, b.n);
}

static void the_example_of_rfc_7677(void **state)
{
    char answer[SCRAM_FINAL_MAX];
    size_t before = mem_in_use();
    (void)state;
    struct scram *s = begin_example();
    expect_challenge(s, "r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    assert_int_equal(scram_name(s).n, 4);
    assert_memory_equal(scram_name(s).p, "user", 4);
    const char *why = scram_finish(s, bytes_str("c=biws,r=" NONCE ",p=" PROOF), answer);
    if (why != NULL)
        fail_msg("%s", why);
    assert_string_equal(answer, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    /* Once: the same message again is nothing. */
    assert_non_null(scram_finish(s, bytes_str("c=biws,r=" NONCE ",p=" PROOF), answer));
    assert_string_equal(answer, "");
    scram_free(s);
    assert_int_equal(mem_in_use(), before);
}

/* A client that is not ours, and what is legal though seldom. */
static void exchange(const char *header, const char *name, const char *plain, const char *password, bool known,
                     const char *expected)
{
    struct scram_client c;
    char first[1024], challenge[1024], last[1024], answer[SCRAM_FINAL_MAX], nonce[SCRAM_NONCE_SIZE];
    scram_nonce(nonce);
    struct scram *s = begin(scram_client_first(&c, header, name, "0123", first, sizeof first), known, nonce);
    assert_int_equal(scram_name(s).n, strlen(plain));
    assert_memory_equal(scram_name(s).p, plain, strlen(plain));
    snprintf(challenge, sizeof challenge, "%.*s", (int)scram_challenge(s).n, (const char *)scram_challenge(s).p);
    assert_non_null(scram_client_final(&c, challenge, password, last, sizeof last));
    const char *why = scram_finish(s, bytes_str(last), answer);
    if (expected == NULL) {
        assert_null(why);
        assert_true(scram_client_accepts(&c, answer));
    } else {
        assert_string_equal(why, expected);
        assert_string_equal(answer, "");
    }
    scram_free(s);
}

static void whatever_the_grammar_allows_works(void **state)
{
    (void)state;
    exchange("n,,", "user", "user", "pencil", true, NULL);
    exchange("y,,", "user", "user", "pencil", true, NULL);
    exchange("n,a=user,", "user", "user", "pencil", true, NULL);
    exchange("y,a=a=2Cb=3D,", "a=2Cb=3D", "a,b=", "pencil", true, NULL);
    exchange("n,,", "\u00fcser \u732b", "\u00fcser \u732b", "pencil", true, NULL);
    exchange("n,,", "=3D=2C=3D2C", "=,=2C", "pencil", true, NULL);
    exchange("n,,", "1234567890123456789012345678901234567890123456789",
             "1234567890123456789012345678901234567890123456789", "pencil", true, NULL);
}

static void wrong_password_and_unknown_user_fail_alike(void **state)
{
    (void)state;
    exchange("n,,", "user", "user", "pencils", true, ORDINARY);
    exchange("n,,", "user", "user", "", true, ORDINARY);
    exchange("n,,", "user", "user", "pencil", false, ORDINARY); /* even where the proof fits the decoy */
}

static const struct {
    const char *text, *why; /* a part of it */
} bad_firsts[] = {
    {"", "not a message"},
    {",", "not a message"},
    {"n", "not a message"},
    {"n,", "not a message"},
    {"n,,", "not a message"},
    {"n,,n=user", "not a message"},
    {"n,,n=user,", "not a message"},
    {"n,,n=user,r=", "not a message"},
    {"n,,n=,r=abc", "not a message"},
    {"n,,r=abc", "not a message"},
    {"n,,r=abc,n=user", "not a message"},
    {"n,,N=user,r=abc", "not a message"},
    {"n,,n=user,R=abc", "not a message"},
    {"n,,nuser,r=abc", "not a message"},
    {"n,,n=user,rabc", "not a message"},
    {"n,n=user,r=abc", "not a message"},
    {"n=user,r=abc", "not a message"},
    {"N,,n=user,r=abc", "not a message"},
    {"x,,n=user,r=abc", "not a message"},
    {"ny,,n=user,r=abc", "not a message"},
    {"n,a=,n=user,r=abc", "not a message"},
    {"n,b=user,n=user,r=abc", "not a message"},
    {"n,,n=us=er,r=abc", "not a message"},
    {"n,,n=us=2cer,r=abc", "not a message"},
    {"n,,n=us=3der,r=abc", "not a message"},
    {"n,,n=user=,r=abc", "not a message"},
    {"n,,n=user=2,r=abc", "not a message"},
    {"n,,n=us\xff"
     "er,r=abc",
     "not a message"},
    {"n,,n=us\xc0\x80"
     "er,r=abc",
     "not a message"},
    {"n,,n=user,r=a bc", "not a message"},
    {"n,,n=user,r=a\x7f", "not a message"},
    {"n,,n=user,r=\xc3\xbc", "not a message"},
    {"n,,n=user,r=abc,", "not a message"},
    {"n,,n=user,r=abc,x", "not a message"},
    {"n,,n=user,r=abc,x=", "not a message"},
    {"n,,n=user,r=abc,1=x", "not a message"},
    {"n,,n=user,r=abc,r=abc", "not a message"},
    {"n,,n=user,r=abc,n=other", "not a message"},
    {"n,,n=user,r=abc,p=abc", "not a message"},
    {"n,,n=user,r=abc,,x=y", "not a message"},
    {"n,,n=12345678901234567890123456789012345678901234567890,r=abc", "not a message"},
    {"p=tls-unique,,n=user,r=abc", "channel binding"},
    {"p=tls-exporter,a=user,n=user,r=abc", "channel binding"},
    {"p=,,n=user,r=abc", "not a message"},
    {"n,,m=x,n=user,r=abc", "insists"},
    {"n,,n=user,r=abc,m=x", "insists"},
    {"n,,n=user,r=abc,x=y,m=x", "insists"},
    {"n,a=root,n=user,r=abc", "act for another user"},
    {"n,a=user=2C,n=user,r=abc", "act for another user"},
    {"n,a=user=,n=user,r=abc", "act for another user"},
    {"n,,n=*,r=abc", "reserved"},
    {"n,,n=group:x,r=abc", "reserved"},
    {"n,,n= user,r=abc", "blank"},
    {"n,,n=us]er,r=abc", "']'"},
    {"n,,n=us\ner,r=abc", "control character"},
};

static void malformed_client_first_is_refused(void **state)
{
    struct scram_hello h;
    (void)state;
    for (size_t i = 0; i < sizeof bad_firsts / sizeof bad_firsts[0]; i++) {
        const char *why = scram_hello_read(bytes_str(bad_firsts[i].text), &h);
        if (why == NULL || strstr(why, bad_firsts[i].why) == NULL)
            fail_msg("'%s': %s", bad_firsts[i].text, why != NULL ? why : "accepted");
    }
    assert_non_null(scram_hello_read(bytes_of("n,,n=us\0er,r=abc", 16), &h));
    assert_null(scram_hello_read(bytes_str("n,,n=user,r=abc,x=y,Z=\xc3\xbc=,y==b"), &h));
    assert_int_equal(h.nonce.n, 3);
}

static void long_messages_are_refused(void **state)
{
    struct scram_hello h;
    char text[SCRAM_MESSAGE_MAX + 2];
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "n,,n=user,r=", 12);
    assert_null(scram_hello_read(bytes_of(text, 12 + SCRAM_CLIENT_NONCE_MAX), &h));
    /* The longest challenge that there can be. */
    struct scram_verifier v = pencil;
    char nonce[SCRAM_SERVER_NONCE_MAX];
    memset(nonce, 'y', sizeof nonce);
    v.salt_n = SCRAM_SALT_MAX;
    v.iterations = SCRAM_ITERATIONS_MAX;
    struct scram *s = scram_new(&h, &v, true, bytes_of(nonce, sizeof nonce));
    assert_true(scram_challenge(s).n > SCRAM_CLIENT_NONCE_MAX && scram_challenge(s).n <= SCRAM_CHALLENGE_MAX);
    scram_free(s);
    assert_non_null(scram_hello_read(bytes_of(text, 12 + SCRAM_CLIENT_NONCE_MAX + 1), &h));
    memcpy(text + 20, ",x=", 3);
    assert_null(scram_hello_read(bytes_of(text, SCRAM_MESSAGE_MAX), &h));
    assert_non_null(scram_hello_read(bytes_of(text, SCRAM_MESSAGE_MAX + 1), &h));
}

static const struct {
    const char *text, *why;
} bad_finals[] = {
    {"", "not a message"},
    {"c=biws", "not a message"},
    {"c=biws,r=" NONCE, "not a message"},
    {"c=biws,r=" NONCE ",", "not a message"},
    {"c=biws,r=" NONCE ",p=", "not a message"},
    {"c=biws,r=" NONCE ",p=" PROOF ",", "not a message"},
    {"c=biws,r=" NONCE ",p=" PROOF ",x=y", "not a message"},
    {"c=biws,r=" NONCE ",p=" PROOF ",p=" PROOF, "not a message"},
    {"c=biws,p=" PROOF ",r=" NONCE, "not a message"},
    {"r=" NONCE ",c=biws,p=" PROOF, "not a message"},
    {"c=,r=" NONCE ",p=" PROOF, "not a message"},
    {"C=biws,r=" NONCE ",p=" PROOF, "not a message"},
    {"c=biws,r=" NONCE ",p=dHzb", "not a message"},
    {"c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ", "not a message"},
    {"c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR=", "not a message"},
    {"c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQAdHzb", "not a message"},
    {"c=biws,r=" NONCE ",x,p=" PROOF, "not a message"},
    {"c=biws,r=" NONCE ",r=" NONCE ",p=" PROOF, "not a message"},
    {"c=biws,r=" NONCE ",x=\xff,p=" PROOF, "not a message"},
    {"c=biws,r=" NONCE ",m=x,p=" PROOF, "insists"},
    {"c=eSws,r=" NONCE ",p=" PROOF, "channel binding"},
    {"c=biwsAA==,r=" NONCE ",p=" PROOF, "channel binding"},
    {"c=biw,r=" NONCE ",p=" PROOF, "channel binding"},
    {"c=cD10bHMtdW5pcXVlLCw=,r=" NONCE ",p=" PROOF, "channel binding"},
    {"c=biws,r=" CLIENT_NONCE ",p=" PROOF, "nonce"},
    {"c=biws,r=" NONCE "x,p=" PROOF, "nonce"},
    {"c=biws,r=" CLIENT_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k1,p=" PROOF, "nonce"},
    {"c=biws,r=" NONCE ",x=y,p=" PROOF, ORDINARY}, /* legal, but signed by no one */
    {"c=biws,r=" NONCE ",p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", ORDINARY},
    {"c=biws,r=" NONCE ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU=", ORDINARY},
    {"c=biws,r=" NONCE ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", ORDINARY},
};

static void malformed_client_final_and_wrong_proofs_are_refused(void **state)
{
    char answer[SCRAM_FINAL_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof bad_finals / sizeof bad_finals[0]; i++) {
        struct scram *s = begin_example();
        const char *why = scram_finish(s, bytes_str(bad_finals[i].text), answer);
        if (why == NULL || strstr(why, bad_finals[i].why) == NULL)
            fail_msg("'%s': %s", bad_finals[i].text, why != NULL ? why : "accepted");
        assert_string_equal(answer, "");
        /* No second attempt within the exchange. */
        why = scram_finish(s, bytes_str("c=biws,r=" NONCE ",p=" PROOF), answer);
        assert_non_null(why);
        assert_non_null(strstr(why, "over already"));
        scram_free(s);
    }
}

static void a_recorded_exchange_is_of_no_use(void **state)
{
    char answer[SCRAM_FINAL_MAX], one[SCRAM_NONCE_SIZE], two[SCRAM_NONCE_SIZE], last[256];
    (void)state;
    scram_nonce(one);
    scram_nonce(two);
    assert_string_not_equal(one, two);
    assert_int_equal(strlen(one), SCRAM_NONCE_SIZE - 1);
    /* The messages of the example, sent again: first as they were, then with the new nonce under the old proof. */
    struct scram *s = begin("n,,n=user,r=" CLIENT_NONCE, true, one);
    assert_non_null(scram_finish(s, bytes_str("c=biws,r=" NONCE ",p=" PROOF), answer));
    scram_free(s);
    s = begin("n,,n=user,r=" CLIENT_NONCE, true, one);
    snprintf(last, sizeof last, "c=biws,r=" CLIENT_NONCE "%s,p=" PROOF, one);
    assert_string_equal(scram_finish(s, bytes_str(last), answer), ORDINARY);
    scram_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_7677),
        cmocka_unit_test(whatever_the_grammar_allows_works),
        cmocka_unit_test(wrong_password_and_unknown_user_fail_alike),
        cmocka_unit_test(malformed_client_first_is_refused),
        cmocka_unit_test(long_messages_are_refused),
        cmocka_unit_test(malformed_client_final_and_wrong_proofs_are_refused),
        cmocka_unit_test(a_recorded_exchange_is_of_no_use),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
