/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "unit_store.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/store/users.h"

#define HASH "$argon2id$v=19$m=64,t=2,p=2$c29tZXNhbHRzYWx0$vT9ohAnsShQO1BHCSPk+XMVLL2yfuxnv"

#define SCRAM                                                                                                          \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                        \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void on_report(void *ctx, bool warning, const char *file, unsigned line, const char *section, const char *key,
                      const char *text)
{
    transcript_add(ctx, "%s%s:%u: [%s] %s: %.*s\n", warning ? "warning " : "", file, line,
                   section != NULL ? section : "", key != NULL ? key : "", (int)strcspn(text, ";"), text);
}

static struct users *parse(const char *text, struct transcript *t)
{
    t->n = 0;
    t->text[0] = '\0';
    return users_parse("u", bytes_str(text), on_report, t);
}

static const struct {
    const char *text, *expected;
} faults[] = {
    {"[alice]\npassword = secret\n", "u:2: [alice] password: not a password hash\n"},
    {"[alice]\npassword =\n", "u:2: [alice] password: not a password hash\n"},
    {"[alice]\npassword = " HASH "\npassword = " HASH "\n",
     "u:3: [alice] password: the key is there already, on line 2\n"},
    {"[alice]\nscram = SCRAM-SHA-1$4096:x\nscram = " SCRAM "\n",
     "u:2: [alice] scram: not a verifier of SCRAM-SHA-256 (SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey)\n"
     "u:3: [alice] scram: the key is there already, on line 2\n"},
    {"[*]\nscram = " SCRAM "\n", "u:2: [*] scram: [*] is no user and has no password\n"},
    {"[*]\npassword = " HASH "\n", "u:2: [*] password: [*] is no user and has no password\n"},
    {"[alice]\n[bob]\n[alice]\npublish = a\n[*]\n[*]\n",
     "u:3: [alice] : the section is there already, on line 1\nu:6: [*] : the section is there already, on line 5\n"},
    {"[alice]\npublsh = a\nfoo = b\n",
     "u:2: [alice] publsh: unknown key\n"
     "u:3: [alice] foo: unknown key\n"},
    {"[alice]\npublish =\nsubscribe = a/#/b\ndeny = a+\n",
     "u:2: [alice] publish: '' is not a topic filter\nu:3: [alice] subscribe: 'a/#/b' is not a topic filter\n"
     "u:4: [alice] deny: 'a+' is not a topic filter\n"},
    {"[alice]\nsubscribe = $share/g/a\n", "u:2: [alice] subscribe: a rule names topics, not shares\n"},
    {"[alice]\nsubscribe = \xff\n", "u:2: [alice] subscribe: '\xff' is not a topic filter\n"},
    {"[group:staff]\npublish = a\n[bob]\ngroup = staff\n",
     "u:1: [group:staff] : groups are not there yet in this version\n"
     "u:4: [bob] group: groups are not there yet in this version\n"},
    {"[\xff]\n", "u:1: [\xff] : a user name must be UTF-8\n"},
    {"[alice]\ngrant = a\n deny = b # c\n",
     "u:2: [alice] grant: unknown key\nu:3: [alice] deny: white space followed by '\n"},
};

static void every_fault_is_reported_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct transcript t;
        assert_null(parse(faults[i].text, &t));
        if (strcmp(t.text, faults[i].expected) != 0)
            fail_msg("case %zu:\n%s\ngave\n%s\nexpected\n%s", i, faults[i].text, t.text, faults[i].expected);
    }
}

static bool allowed(struct rights *r, enum right what, const char *topic)
{
    bool yes = rights_allow(r, what, bytes_str("id"), bytes_str(topic));
    rights_unref(r);
    return yes;
}

static bool user_may(const struct users *u, const char *name, enum right what, const char *topic)
{
    struct rights *r = users_rights(u, bytes_str(name));
    assert_non_null(r);
    return allowed(r, what, topic);
}

static void rules_of_the_user_and_of_all_add_up(void **state)
{
    struct transcript t;
    size_t before = mem_in_use();
    (void)state;
    struct users *u = parse("[alice]\npassword = " HASH
                            "\npublish = home/%u/#\nsubscribe = home/#\ndeny = home/safe/#\n"
                            "[bob]\n[carol]\ndeny = x/#\n[*]\nsubscribe = public/#\ndeny = never\n",
                            &t);
    assert_non_null(u);
    assert_string_equal(t.text, "");
    assert_int_equal(users_count(u), 3);
    assert_string_equal(users_password(u, bytes_str("alice")), HASH);
    assert_null(users_password(u, bytes_str("bob")));
    assert_null(users_password(u, bytes_str("*")));
    assert_null(users_rights(u, bytes_str("*")));
    assert_null(users_rights(u, bytes_str("dave")));
    assert_true(user_may(u, "alice", RIGHT_PUBLISH, "home/alice/x"));
    assert_false(user_may(u, "alice", RIGHT_PUBLISH, "home/bob/x"));
    assert_true(user_may(u, "alice", RIGHT_SUBSCRIBE, "public/x"));
    assert_true(user_may(u, "alice", RIGHT_SUBSCRIBE, "home/#"));
    assert_false(user_may(u, "alice", RIGHT_RECEIVE, "home/safe/x"));
    assert_false(user_may(u, "alice", RIGHT_RECEIVE, "never"));
    /* [*] has a subscribe line, so it applies to the others too, and what is not named is refused. */
    assert_true(user_may(u, "bob", RIGHT_SUBSCRIBE, "public/x"));
    assert_false(user_may(u, "bob", RIGHT_SUBSCRIBE, "x"));
    assert_false(user_may(u, "carol", RIGHT_PUBLISH, "y"));
    assert_true(allowed(users_anonymous_rights(u), RIGHT_SUBSCRIBE, "public/+"));
    assert_false(allowed(users_anonymous_rights(u), RIGHT_PUBLISH, "public/x"));
    users_unref(u);
    assert_int_equal(mem_in_use(), before);
}

static void where_nothing_is_granted_by_name_all_is_granted(void **state)
{
    struct transcript t;
    (void)state;
    struct users *u = parse("[bob]\n[carol]\ndeny = x/#\n", &t);
    assert_true(user_may(u, "bob", RIGHT_PUBLISH, "anything"));
    assert_false(user_may(u, "bob", RIGHT_PUBLISH, "$SYS/x"));
    assert_true(user_may(u, "bob", RIGHT_SUBSCRIBE, "$SYS/#"));
    assert_true(user_may(u, "carol", RIGHT_PUBLISH, "y"));
    assert_false(user_may(u, "carol", RIGHT_PUBLISH, "x"));
    assert_true(allowed(users_anonymous_rights(u), RIGHT_PUBLISH, "anything"));
    assert_false(allowed(users_anonymous_rights(u), RIGHT_PUBLISH, "$SYS"));
    users_unref(u);
    /* A [*] that grants nothing leaves users all the rest, and clients without a section nothing. */
    u = parse("[bob]\n[*]\ndeny = x/#\n", &t);
    assert_true(user_may(u, "bob", RIGHT_PUBLISH, "y"));
    assert_false(user_may(u, "bob", RIGHT_PUBLISH, "x"));
    assert_false(allowed(users_anonymous_rights(u), RIGHT_PUBLISH, "y"));
    users_unref(u);
    u = users_empty();
    assert_int_equal(users_count(u), 0);
    assert_true(allowed(users_anonymous_rights(u), RIGHT_PUBLISH, "anything"));
    users_unref(u);
}

static void a_line_without_effect_is_a_warning(void **state)
{
    struct transcript t;
    (void)state;
    struct users *u = parse("[bob]\npublish = $SYS/#\n", &t);
    assert_non_null(u);
    assert_string_equal(t.text, "warning u:2: [bob] publish: nobody may write $SYS\n");
    users_unref(u);
}

static void names(void **state)
{
    static const char *const good[] = {
        "a", "a b", "a ;b", "Zoë", "a/b", "group", "0123456789012345678901234567890123456789012345678"};
    static const char *const bad[] = {
        "",   " a",  "a ",  "*",    "group:", "group:x",
        "a]", "a\n", "a\t", "\x7f", "\xff",   "01234567890123456789012345678901234567890123456789"};
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[256];
        struct transcript t;
        assert_null(users_name_fault(bytes_str(good[i])));
        snprintf(text, sizeof text, "[%s]\npassword = " HASH "\n", good[i]);
        struct users *u = parse(text, &t);
        assert_non_null(u);
        assert_string_equal(users_password(u, bytes_str(good[i])), HASH);
        users_unref(u);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_non_null(users_name_fault(bytes_str(bad[i])));
    assert_non_null(users_name_fault(bytes_of("a\0b", 3)));
}

/* Whom a certificate or shared key names, without a section: [*] and nothing else. */
static void identities_without_a_section_have_what_everyone_has(void **state)
{
    static const struct {
        const char *file, *name;
        bool may;
    } cases[] = {
        {"[alice]\n", "alice", true},
        {"[alice]\n", "bob", false},
        {"[*]\npublish = p/%u\n[alice]\n", "bob", true},
        {"[*]\npublish = p/%u\n[alice]\n", "b+b", false},
        {"[*]\ndeny = x\n[alice]\n", "alice", true},
        {"[*]\ndeny = x\n[alice]\n", "bob", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char topic[64];
        struct transcript t;
        struct users *u = parse(cases[i].file, &t);
        assert_non_null(u);
        struct rights *r = users_identity_rights(u, bytes_str(cases[i].name));
        users_unref(u);
        assert_true(bytes_equal(rights_user(r), bytes_str(cases[i].name)));
        snprintf(topic, sizeof topic, "p/%s", cases[i].name);
        if (rights_allow(r, RIGHT_PUBLISH, bytes_str("c"), bytes_str(topic)) != cases[i].may)
            fail_msg("case %zu", i);
        assert_int_equal(users_have_everyone(u = parse(cases[i].file, &t)), i >= 2);
        users_unref(u);
        rights_unref(r);
    }
}

static void a_decoy_is_a_hash_that_exists(void **state)
{
    struct transcript t;
    (void)state;
    struct users *u = parse("[a]\n[b]\npassword = " HASH "\n[c]\n", &t);
    for (char name[] = "A"; name[0] <= 'Z'; name[0]++)
        assert_string_equal(users_decoy(u, bytes_str(name)), HASH);
    users_unref(u);
    u = parse("[a]\n", &t);
    assert_null(users_decoy(u, bytes_str("x")));
    users_unref(u);
}

static void who_may_write_the_file_matters(void **state)
{
    char path[] = "/tmp/sotto-users-XXXXXX";
    struct transcript t = {.n = 0};
    int fd = mkstemp(path);
    (void)state;
    assert_int_equal(write(fd, "[a]\n", 4), 4);
    struct users *u = users_load(path, on_report, &t);
    assert_non_null(u);
    assert_string_equal(t.text, "");
    users_unref(u);
    fchmod(fd, 0644);
    u = users_load(path, on_report, &t);
    assert_non_null(u);
    assert_non_null(strstr(t.text, "warning"));
    users_unref(u);
    fchmod(fd, 0602);
    t.n = 0;
    assert_null(users_load(path, on_report, &t));
    assert_non_null(strstr(t.text, "everybody on this machine may write this file"));
    close(fd);
    unlink(path);
    t.n = 0;
    assert_null(users_load(path, on_report, &t));
    assert_non_null(strstr(t.text, "No such file"));
}

static void many_users(void **state)
{
    enum { N = 5000 };
    char *text = malloc(N * 64), *at = text;
    struct transcript t;
    (void)state;
    for (int i = 0; i < N; i++)
        at += sprintf(at, "[device-%d]\npublish = d/%%u/#\n", i);
    struct users *u = parse(text, &t);
    assert_int_equal(users_count(u), N);
    assert_true(user_may(u, "device-4999", RIGHT_PUBLISH, "d/device-4999/x"));
    assert_false(user_may(u, "device-0", RIGHT_PUBLISH, "d/device-4999/x"));
    users_unref(u);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_is_reported_with_its_place),
        cmocka_unit_test(rules_of_the_user_and_of_all_add_up),
        cmocka_unit_test(where_nothing_is_granted_by_name_all_is_granted),
        cmocka_unit_test(a_line_without_effect_is_a_warning),
        cmocka_unit_test(names),
        cmocka_unit_test(identities_without_a_section_have_what_everyone_has),
        cmocka_unit_test(a_decoy_is_a_hash_that_exists),
        cmocka_unit_test(who_may_write_the_file_matters),
        cmocka_unit_test(many_users),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
