/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The steps as the core asks for them, with a users file in memory and a client of the test's. */
#include "server_harness.h"

#include "../../../src/server/enhanced_auth.h"
#include "scram_client.h"
#include "sotto/base/mem.h"

/* "pencil"; carol has a password only, "pass word". */
#define PENCIL                                                                                                         \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
static const char file[] =
    "[alice]\nscram = " PENCIL
    "\npublish = a/#\n"
    "[bob]\nscram = " PENCIL
    "\npublish = b/#\n"
    "[carol]\npassword = $argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzYWx0$vT9ohAnsShQO1BHCSPk+XMVLL2yfuxnv\n";

static struct users *users;
static size_t memory;

static int setup(void **state)
{
    (void)state;
    memory = mem_in_use();
    users = users_parse("users.ini", bytes_str(file), NULL, NULL);
    return users != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    users_unref(users);
    return mem_in_use() == memory ? 0 : -1;
}

static struct auth_step step_with(const char *method, const char *data, const char *user)
{
    return (struct auth_step){
        .method = bytes_str(method), .data = bytes_str(data), .client_id = bytes_str("id"), .user = bytes_str(user)};
}

static enum reason take(struct auth_step *s)
{
    return enhanced_auth_step(users, "127.0.0.1:1", s);
}

/* A whole exchange. user: as in re-authentication, or "". The rights, or NULL where it was refused in its last step. */
static struct rights *exchange(const char *name, const char *password, const char *user)
{
    struct scram_client c;
    char text[1024], challenge[AUTH_ANSWER_MAX + 1], last[AUTH_ANSWER_MAX + 1];
    struct auth_step s =
        step_with("SCRAM-SHA-256", scram_client_first(&c, "n,,", name, "abcd", text, sizeof text), user);
    assert_int_equal(take(&s), REASON_CONTINUE_AUTHENTICATION);
    assert_non_null(s.state);
    snprintf(challenge, sizeof challenge, "%.*s", (int)s.answer_n, (const char *)s.answer);
    struct auth_step t =
        step_with("SCRAM-SHA-256", scram_client_final(&c, challenge, password, text, sizeof text), user);
    t.state = s.state;
    enum reason r = take(&t);
    assert_ptr_equal(t.state, s.state);
    if (r == REASON_SUCCESS) {
        snprintf(last, sizeof last, "%.*s", (int)t.answer_n, (const char *)t.answer);
        assert_true(scram_client_accepts(&c, last));
        assert_non_null(t.rights);
    } else {
        assert_int_equal(r, REASON_NOT_AUTHORIZED);
        assert_int_equal(t.answer_n, 0);
        assert_null(t.rights);
    }
    /* A third message is refused, whatever the second was. */
    struct auth_step u = t;
    assert_int_equal(take(&u), REASON_NOT_AUTHORIZED);
    assert_null(u.rights);
    enhanced_auth_end(s.state);
    return t.rights;
}

static void a_right_proof_gives_the_rights_of_the_user(void **state)
{
    (void)state;
    struct rights *r = exchange("alice", "pencil", "");
    assert_non_null(r);
    assert_true(bytes_equal(rights_user(r), bytes_str("alice")));
    assert_true(rights_allow(r, RIGHT_PUBLISH, bytes_str("id"), bytes_str("a/x")));
    assert_false(rights_allow(r, RIGHT_PUBLISH, bytes_str("id"), bytes_str("b/x")));
    rights_unref(r);
}

static void wrong_password_unknown_user_and_no_verifier_are_refused_at_the_end(void **state)
{
    (void)state;
    assert_null(exchange("alice", "pencils", ""));
    assert_null(exchange("mallory", "pencil", ""));
    assert_null(exchange("carol", "pass word", ""));
}

static void re_authentication_is_for_the_same_user(void **state)
{
    (void)state;
    struct rights *r = exchange("alice", "pencil", "alice");
    assert_non_null(r);
    rights_unref(r);
    assert_null(exchange("alice", "wrong", "alice"));
    struct auth_step s = step_with("SCRAM-SHA-256", "n,,n=bob,r=abcd", "alice");
    assert_int_equal(take(&s), REASON_NOT_AUTHORIZED);
    assert_null(s.state);
}

static void other_methods_are_named_so(void **state)
{
    static const char *const methods[] = {"SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", "scram-sha-256", "PLAIN", ""};
    (void)state;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        struct auth_step s = step_with(methods[i], "n,,n=alice,r=abcd", "");
        assert_int_equal(take(&s), REASON_BAD_AUTHENTICATION_METHOD);
        assert_null(s.state);
    }
}

static void what_is_no_scram_is_refused_at_once(void **state)
{
    static const char *const data[] = {"", "x", "p=tls-unique,,n=alice,r=abcd", "n,,m=x,n=alice,r=abcd", "n,,n=*,r=a"};
    (void)state;
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        struct auth_step s = step_with("SCRAM-SHA-256", data[i], "");
        assert_int_equal(take(&s), REASON_NOT_AUTHORIZED);
        assert_null(s.state);
        assert_int_equal(s.answer_n, 0);
    }
    struct auth_step s = step_with("SCRAM-SHA-256", "n,,n=alice,r=abcd", "");
    assert_int_equal(take(&s), REASON_CONTINUE_AUTHENTICATION);
    s.data = bytes_of(NULL, 0);
    assert_int_equal(take(&s), REASON_NOT_AUTHORIZED);
    enhanced_auth_end(s.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_right_proof_gives_the_rights_of_the_user),
        cmocka_unit_test(wrong_password_unknown_user_and_no_verifier_are_refused_at_the_end),
        cmocka_unit_test(re_authentication_is_for_the_same_user),
        cmocka_unit_test(other_methods_are_named_so),
        cmocka_unit_test(what_is_no_scram_is_refused_at_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
