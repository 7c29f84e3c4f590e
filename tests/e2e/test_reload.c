/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SIGHUP and those who are connected: their rights are the new ones, and who is no user any more has to go. */
#include "e2e/e2e.h"

#include <signal.h>
#include <time.h>

static void write_users(struct broker *b, const char *text)
{
    broker_write(b, "users.ini", text);
    broker_passwd(b, "bob", "word");
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    write_users(b, "[bob]\n");
    broker_write(b, "sotto.ini",
                 "[broker]\nthreads = 3\ndata_dir = @DIR@/data\n[auth]\nusers = users.ini\nanonymous = on\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n");
    broker_start(b);
    return 0;
}

static void reload(struct broker *b)
{
    char *log = broker_log(b);
    unsigned before = 0, now;
    for (const char *p = log; (p = strstr(p, "reload.done")) != NULL; p++)
        before++;
    free(log);
    kill(b->pid, SIGHUP);
    for (struct waiting w = {0}; waiting(&w);) {
        log = broker_log(b);
        now = 0;
        for (const char *p = log; (p = strstr(p, "reload.done")) != NULL; p++)
            now++;
        free(log);
        if (now > before)
            return;
    }
    fail_msg("no reload.done");
}

static struct peer *bob(struct broker *b, const char *name)
{
    struct peer *p = peer_tcp(b->ports[0]);
    peer_packet(p, 0x10, "<MQTT> 04 c2 0000 <%s> <bob> <word>", name);
    peer_expect_packet(p, 0x20, "00 00");
    return p;
}

static void rights_of_the_connected_change(void **state)
{
    struct broker *b = *state;
    struct peer *any = client(b->ports[0], "any"), *p[4];
    char name[8];
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "bob%u", i);
        p[i] = bob(b, name);
        peer_subscribe(p[i], 1, "home/#", 0);
    }
    write_users(b, "[bob]\ndeny = home/safe\n");
    reload(b);
    peer_packet(any, 0x30, "<home/safe> 'open'");
    peer_packet(any, 0x30, "<home/lamp> 'on'");
    for (unsigned i = 0; i < 4; i++)
        peer_expect_publish(p[i], 0, "home/lamp", "on");
    /* Anonymous clients have what [*] has, from then on. */
    write_users(b, "[*]\npublish = home/lamp\n[bob]\n");
    reload(b);
    peer_packet(any, 0x30, "<home/safe> 'open'");
    peer_packet(any, 0x30, "<home/lamp> 'off'");
    for (unsigned i = 0; i < 4; i++)
        peer_expect_publish(p[i], 0, "home/lamp", "off");
    broker_write(b, "users.ini", "[alice]\n");
    reload(b);
    for (unsigned i = 0; i < 4; i++) {
        peer_expect_close(p[i]);
        peer_close(p[i]);
    }
    peer_ping(any);
    peer_disconnect(any);
    broker_expect_log(b, "reason=\"its user is not in the users file any more\"");
}

/* Logins that are being checked while the users change again and again: each gets an answer, and is let in. */
static void logins_during_changes_are_answered(void **state)
{
    struct broker *b = *state;
    char name[16];
    write_users(b, "[bob]\n");
    reload(b);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "during%u", i);
        kill(b->pid, SIGHUP);
        struct peer *p = bob(b, name);
        kill(b->pid, SIGHUP);
        peer_subscribe(p, 1, "a", 1);
        peer_ping(p);
        peer_disconnect(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rights_of_the_connected_change),
        cmocka_unit_test(logins_during_changes_are_answered),
    };
    return cmocka_run_group_tests(tests, setup, broker_teardown);
}
