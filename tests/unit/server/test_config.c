/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sotto/base/mem.h"
#include "sotto/codec/packet.h"
#include "sotto/server/config.h"

struct lines {
    char text[8192];
};

static void collect(void *ctx, const char *line)
{
    struct lines *l = ctx;
    size_t n = strlen(l->text);
    snprintf(l->text + n, sizeof l->text - n, "%s\n", line);
}

static struct config *parse(const char *text, struct lines *l)
{
    l->text[0] = '\0';
    return config_parse("/nowhere/c", bytes_str(text), collect, l);
}

/* A listener that is right, for texts about something else. */
#define OPEN "[auth]\nanonymous = on\n[listener.a]\n"
#define USERS "[auth]\nusers = u\n[listener.a]\n"
#define TLS OPEN "tls = on\ncert = c\nkey = k\n"

static const struct {
    const char *text, *expected; /* each line is a part of a line of the report, in order; there are as many */
} faults[] = {
    {"", "c: no listener; nobody could connect: write a section [listener.NAME]"},
    {"[brokr]\nx = 1\n" OPEN, "c:1: [brokr]: unknown section; did you mean [broker]?"},
    {"[listener]\n" OPEN, "c:1: [listener]: unknown section; did you mean [listener.NAME]?"},
    {"[something]\n" OPEN, "c:1: [something]: unknown section; there are [broker], [log], [auth], [limits] and"},
    {"[listener.]\n" OPEN, "c:1: [listener.]: not a listener's name;"},
    {"[listener.a b]\n" OPEN, "c:1: [listener.a b]: not a listener's name;"},
    {"[broker]\n[broker]\n" OPEN, "c:2: [broker]: the section is there already, on line 1;"},
    {OPEN "[listener.a]\n", "c:4: [listener.a]: the section is there already, on line 3;"},
    {"[broker]\nthreads = 1\nthreads = 1\n" OPEN, "c:3: [broker] threads: the key is there already, on line 2;"},
    {"[broker]\nthread = 1\n" OPEN, "c:2: [broker] thread: unknown key; did you mean 'threads'?"},
    {"[broker]\nmax_inflight = 1\n" OPEN,
     "c:2: [broker] max_inflight: not a key of this section; it belongs into [limits]"},
    {"[broker]\nport = 1\n" OPEN, "c:2: [broker] port: not a key of this section; it belongs into [listener.NAME]"},
    /* What the contract names for later does not exist yet. */
    {"[broker]\nnonsense = on\nsandbox = on\n" OPEN "proxy_protocol = off\n",
     "c:2: [broker] nonsense: unknown key;\nc:3: [broker] sandbox: unknown key;\n"
     "c:7: [listener.a] proxy_protocol: unknown key;"},
    {"[limits]\nmax_wills = 1G\nmax_will_delay = 3\n" OPEN,
     "c:2: [limits] max_wills: unknown key;\nc:3: [limits] max_will_delay: unknown key;"},
    {"threads = 1\n" OPEN, "c:1: threads: a key before the first section;"},
    /* Values. */
    {"[broker]\nthreads = 0\n" OPEN,
     "c:2: [broker] threads: '0' is out of range; write auto or a number from 1 to 256"},
    {"[broker]\nthreads = 257\n" OPEN, "c:2: [broker] threads: '257' is out of range;"},
    {"[broker]\nthreads = -1\n" OPEN, "c:2: [broker] threads: '-1' is not a value of this key;"},
    {"[broker]\nthreads =\n" OPEN, "c:2: [broker] threads: has no value;"},
    {"[broker]\nthreads = 4 # four\n" OPEN, "c:2: [broker] threads: white space followed by ';' or '#' after a value;"},
    {"[limits]\nmax_packet_size = 18446744073709551615G\n" OPEN,
     "c:2: [limits] max_packet_size: '18446744073709551615G' is"},
    {"[limits]\nmax_packet_size = 1 M\n" OPEN, "c:2: [limits] max_packet_size: '1 M' is not a value"},
    {"[limits]\nmax_packet_size = 1k\n" OPEN, "write a size (K, M, G) from 64 to 256M"},
    {"[limits]\nconnect_timeout = 10\n" OPEN,
     "c:2: [limits] connect_timeout: '10' has no unit; write a time (ms, s, m, h, d)"},
    {"[limits]\nconnect_timeout = 2h\n" OPEN, "'2h' is out of range; write a time (ms, s, m, h, d) from 100ms to 1h"},
    {"[limits]\nmax_keepalive = 1500ms\n" OPEN, "c:2: [limits] max_keepalive: '1500ms' is no whole seconds;"},
    {"[limits]\nqueue_policy = newest\n" OPEN,
     "'newest' is not a value of this key; write drop_oldest, drop_newest or disconnect"},
    {"[auth]\nanonymous = yes\n[listener.a]\n",
     "c:2: [auth] anonymous: 'yes' is not a value of this key; write on or off"},
    {OPEN "address = localhost\n", "c:4: [listener.a] address: 'localhost' is not an address;"},
    {OPEN "address = [::1]\n", "c:4: [listener.a] address: '[::1]' is not an address;"},
    {OPEN "address = 1.2.3\n", "c:4: [listener.a] address: '1.2.3' is not an address;"},
    {OPEN "address = unix:\n", "c:4: [listener.a] address: the path of a unix socket has 1 to 107 bytes, this one 0;"},
    {OPEN "address = unix:/a\nport = 1\n", "c:5: [listener.a] port: a unix socket has no port;"},
    {OPEN "port = 65536\n", "c:4: [listener.a] port: '65536' is out of range; write a number from 1 to 65535"},
    {OPEN "mqtt_version = 4\n",
     "c:4: [listener.a] mqtt_version: '4' is not a value of this key; write 3.1, 3.1.1 or 5"},
    {OPEN "protocol = websocket\n", "c:4: [listener.a] protocol: 'websocket' is not a value of this key; write mqtt"},
    /* Between keys. */
    {OPEN "tls = on\n",
     "c:3: [listener.a] cert: missing; tls = on needs\nc:3: [listener.a] key: missing; tls = on needs"},
    {OPEN "cert = x\n", "c:4: [listener.a] cert: without function while tls is off;"},
    {OPEN "key = x\nchain = y\nmin_version = 1.2\nmax_version = 1.3\nciphers = z\n",
     "] key: without\n] chain: without\n] min_version: without\n] max_version: without\n] ciphers: without"},
    /* Who clients are. */
    {TLS "client_cert = required\n", "c:3: [listener.a] client_ca: missing; client_cert needs the CA"},
    {TLS "client_ca = x\n", "c:7: [listener.a] client_ca: without function while client_cert is none;"},
    {TLS "crl = x\nclient_cert_user = cn\n",
     "c:7: [listener.a] crl: without function\nc:8: [listener.a] client_cert_user: without function while"},
    {TLS "client_cert = yes\nclient_ca = x\n",
     "c:7: [listener.a] client_cert: 'yes' is not a value of this key; write none, optional or required"},
    {TLS "client_cert = required\nclient_ca = x\nclient_cert_user = dn\n",
     "c:9: [listener.a] client_cert_user: 'dn' is not a value of this key; write none, cn, san or spki"},
    {TLS "client_cert = required\nclient_ca = x\npassword = none\n",
     "c:9: [listener.a] password: without function: no certificate and no shared key names the user here;"},
    {TLS "client_cert = required\nclient_ca = x\nclient_cert_user = cn\n",
     "c:3: [listener.a] client_cert_user: names users, and [auth] users names no file, so they could do nothing;"},
    {USERS "tls = on\ncert = c\nkey = k\nclient_cert = required\nclient_ca = x\npsk_file = p\n",
     "c:9: [listener.a] psk_file: a client with a shared key shows no certificate, and client_cert = required"},
    {USERS "tls = on\npsk_file = p\nticket_lifetime = 1h\n",
     "c:6: [listener.a] ticket_lifetime: without function: clients that show certificates or shared keys get no"},
    {OPEN "ticket_lifetime = 1h\n", "c:4: [listener.a] ticket_lifetime: without function while tls is off"},
    {USERS "tls = on\nkey = k\npsk_file = p\n", "c:3: [listener.a] cert: missing;"},
    {USERS "tls = on\nclient_cert = optional\nclient_ca = x\npsk_file = p\n",
     "c:3: [listener.a] cert: missing;\nc:3: [listener.a] key: missing;"},
    {OPEN "psk_file = x\nclient_ca = x\nclient_cert = required\nclient_cert_user = cn\ncrl = x\npassword = none\n",
     "client_ca: without\n] client_cert: without\n] client_cert_user: without\n] password: without\n] crl: without\n"
     "] psk_file: without\nnames users, and [auth] users names no file"},
    {TLS "min_version = 1.3\nmax_version = 1.2\n", "c:7: [listener.a] min_version: is above max_version;"},
    {OPEN "[listener.b]\nport = 1883\n", "c:4: [listener.b]: address :: port 1883 is taken by [listener.a] on line 3"},
    {OPEN "address = unix:/x\n[listener.b]\naddress = unix:/x\n",
     "c:5: [listener.b]: address unix:/x is taken by [listener.a]"},
    {"[listener.a]\n", "c: [auth] anonymous: is off, and [auth] users names no file, so nobody could log in;"},
    {"[auth]\nanonymous = off\n[listener.a]\n[listener.b]\nport = 1\n", "c:1: [auth] anonymous: is off, and"},
    {OPEN "anonymous = off\n", "c:4: [listener.a] anonymous: is off, and [auth] users names no file"},
    /* A refused value brings no second error. */
    /* Certificates come in groups. */
    {OPEN "tls = on\ncert = a\nkey = b\nkey = c\n",
     "c:7: [listener.a] key: the certificate of line 5 has that already; each certificate begins with its cert"},
    {OPEN "tls = on\ncert = a\ncert = b\nkey = c\n", "c:3: [listener.a] key: missing; tls = on needs"},
    {OPEN "tls = on\ncert = a\nkey = b\ncert = c\nchain = d\n", "c:7: [listener.a] key: missing; tls = on needs"},
    {OPEN "tls = on\nkey = a\nkey = b\ncert = c\n",
     "c:6: [listener.a] key: the certificate of line 5 has that already"},
    {OPEN "key_passphrase_file = x\n", "] key_passphrase_file: without function while tls is off"},
    {OPEN "tls = on\ncert = x ; y\nkey = z\n", "c:5: [listener.a] cert: white space"},
    {OPEN "tls = yes\ncert = x\nkey = z\n", "c:4: [listener.a] tls: 'yes' is not a value"},
    {OPEN "[listener.b]\nport = x\n", "c:5: [listener.b] port: 'x' is not a value"},
    {"[auth]\nusers = x # y\n[listener.a]\n", "c:2: [auth] users: white space"},
    /* All at once, in the order of lines. */
    {"[broker]\nthreads = x\n[log]\nlevel = y\n[nowhere]\nz = 1\n" OPEN "port = 0\n",
     "c:2: [broker] threads\nc:4: [log] level\nc:5: [nowhere]\nc:10: [listener.a] port"},
};

/* Each line of expected is part of the same line of got, and both have as many. */
static bool covers(const char *got, const char *expected)
{
    while (*expected != '\0' && *got != '\0') {
        char want[512], have[1024];
        size_t n = strcspn(expected, "\n"), m = strcspn(got, "\n");
        snprintf(want, sizeof want, "%.*s", (int)n, expected);
        snprintf(have, sizeof have, "%.*s", (int)m, got);
        if (strstr(have, want) == NULL)
            return false;
        expected += n + (expected[n] == '\n');
        got += m + (got[m] == '\n');
    }
    return *expected == '\0' && *got == '\0';
}

static void every_fault_has_its_line_and_words(void **state)
{
    size_t before = mem_in_use();
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct lines l;
        assert_null(parse(faults[i].text, &l));
        if (!covers(l.text, faults[i].expected))
            fail_msg("case %zu:\n%s\ngave\n%s\nexpected\n%s", i, faults[i].text, l.text, faults[i].expected);
    }
    assert_int_equal(mem_in_use(), before);
}

static struct config *good(const char *text)
{
    struct lines l;
    struct config *c = parse(text, &l);
    if (c == NULL || l.text[0] != '\0')
        fail_msg("%s\nwas refused:\n%s", text, l.text);
    return c;
}

static void defaults_are_those_of_the_contract(void **state)
{
    struct config *c = good("[auth]\nusers = u\n[listener.a]\n");
    const struct limits *m = &c->limits;
    (void)state;
    assert_int_equal(c->threads, 0);
    assert_string_equal(c->data_dir, "/var/lib/sotto");
    assert_true(c->persistence);
    assert_int_equal(c->durability, DURABILITY_COMMIT);
    assert_int_equal(c->flush_interval, 1000);
    assert_int_equal(c->retained_flush, 30000);
    assert_null(c->user);
    assert_int_equal(c->log.level, LOG_INFO);
    assert_int_equal(c->log.target, LOG_TO_STDERR);
    assert_int_equal(c->log.format, LOG_TEXT);
    assert_false(c->anonymous);
    assert_string_equal(c->users, "/nowhere/u");
    assert_int_equal(m->max_connections, 0);
    assert_int_equal(m->connect_timeout, 10000);
    assert_int_equal(m->max_handshakes, 256);
    assert_int_equal(m->max_packet_size, 1 << 20);
    assert_int_equal(m->max_inflight, 20);
    assert_int_equal(m->max_queued_messages, 1000);
    assert_int_equal(m->max_queued_bytes, 16 << 20);
    assert_int_equal(m->queue_policy, QUEUE_DROP_OLDEST);
    assert_int_equal(m->max_retained_messages, 1000000);
    assert_int_equal(m->max_retained_bytes, 256 << 20);
    assert_int_equal(m->max_subscriptions, 10000);
    assert_int_equal(m->max_topic_levels, 200);
    assert_int_equal(m->max_user_properties, 64);
    assert_int_equal(m->max_keepalive, 0);
    assert_int_equal(m->max_session_expiry, 60 * 86400);
    const struct config_listener *l = &c->listeners[0];
    assert_int_equal(c->listeners_n, 1);
    assert_string_equal(l->name, "a");
    assert_string_equal(l->address, "::");
    assert_int_equal(l->port, 1883);
    assert_int_equal(l->versions, 1 << PROTO_31 | 1 << PROTO_311 | 1 << PROTO_5);
    assert_int_equal(l->line, 3);
    assert_false(l->tls || l->anonymous);
    assert_true(l->pairs_n == 0 && l->ciphers == NULL);
    config_free(c);
}

static void values_arrive_whole(void **state)
{
    struct config *c = good(
        "[limits]\nmax_connections = 77\nconnect_timeout = 1500ms\nmax_handshakes = 2\n"
        "max_packet_size = 64K\nmax_inflight = 65535\nmax_queued_messages = 5\n"
        "max_queued_bytes = 1024G\nqueue_policy = disconnect\nmax_retained_messages = 9\n"
        "max_retained_bytes = 5000\nmax_subscriptions = 8\nmax_topic_levels = 7\n"
        "max_keepalive = 2m\nmax_session_expiry = 0\n"
        "[broker]\nthreads = 3\ndata_dir = /d\nuser = nobody\npersistence = off\ndurability = interval\n"
        "flush_interval = 250ms\nretained_flush = 1h\n"
        "[log]\nlevel = debug\ntarget = x.log\nformat = json\n"
        "[auth]\nanonymous = on\n[listener.a]\n");
    const struct limits *m = &c->limits;
    (void)state;
    assert_int_equal(m->max_connections, 77);
    assert_int_equal(m->connect_timeout, 1500);
    assert_int_equal(m->max_packet_size, 65536);
    assert_int_equal(m->max_inflight, 65535);
    assert_true(m->max_queued_bytes == UINT64_C(1024) << 30);
    assert_int_equal(m->queue_policy, QUEUE_DISCONNECT);
    assert_int_equal(m->max_retained_bytes, 5000);
    assert_int_equal(m->max_keepalive, 120);
    assert_int_equal(m->max_session_expiry, 0);
    assert_int_equal(c->threads, 3);
    assert_string_equal(c->data_dir, "/d");
    assert_false(c->persistence);
    assert_int_equal(c->durability, DURABILITY_INTERVAL);
    assert_int_equal(c->flush_interval, 250);
    assert_int_equal(c->retained_flush, 3600000);
    assert_string_equal(c->user, "nobody");
    assert_int_equal(c->log.level, LOG_DEBUG);
    assert_int_equal(c->log.target, LOG_TO_FILE);
    assert_string_equal(c->log.path, "/nowhere/x.log");
    assert_int_equal(c->log.format, LOG_JSON);
    config_free(c);
}

static void certificates_come_in_groups(void **state)
{
    struct config *c = good(
        "[auth]\nanonymous = on\n[listener.a]\ntls = on\nchain =\nkey = k1\ncert = c1\n"
        "chain = h1\ncert = c2\nkey_passphrase_file = p2\nkey = k2\n");
    (void)state;
    const struct tls_pair_files *p = c->listeners[0].pairs;
    struct tls_settings s = config_tls_settings(&c->listeners[0]);
    assert_true(s.pairs == p && s.pairs_n == 2);
    assert_string_equal(p[0].cert, "/nowhere/c1");
    assert_string_equal(p[0].key, "/nowhere/k1");
    assert_string_equal(p[0].chain, "/nowhere/h1");
    assert_null(p[0].key_passphrase_file);
    assert_string_equal(p[1].cert, "/nowhere/c2");
    assert_string_equal(p[1].key, "/nowhere/k2");
    assert_null(p[1].chain);
    assert_string_equal(p[1].key_passphrase_file, "/nowhere/p2");
    config_free(c);
}

static void listeners_know_who_clients_are(void **state)
{
    struct config *c = good(
        "[auth]\nusers = u\n[listener.cert]\ntls = on\ncert = c\nkey = k\nclient_ca = ca\nclient_cert = optional\n"
        "client_cert_user = spki\npassword = none\ncrl = l\n"
        "[listener.key]\ntls = on\nport = 1\npsk_file = p\npassword = required\n[listener.plain]\n");
    const struct config_listener *l = c->listeners;
    (void)state;
    struct tls_settings s = config_tls_settings(&l[0]);
    assert_string_equal(s.client_ca, "/nowhere/ca");
    assert_string_equal(s.crl, "/nowhere/l");
    assert_int_equal(s.client_cert, TLS_CLIENT_CERT_OPTIONAL);
    assert_int_equal(s.client_cert_user, TLS_CLIENT_CERT_USER_SPKI);
    assert_int_equal(l[0].password, AUTH_PASSWORD_NONE);
    s = config_tls_settings(&l[1]);
    assert_string_equal(s.psk_file, "/nowhere/p");
    assert_int_equal(s.pairs_n, 0);
    assert_int_equal(l[1].password, AUTH_PASSWORD_REQUIRED);
    assert_int_equal(l[2].password, AUTH_PASSWORD_OPTIONAL);
    assert_int_equal(l[2].client_cert, TLS_CLIENT_CERT_NONE);
    assert_true(config_names_clients(&l[0]) && config_names_clients(&l[1]) && !config_names_clients(&l[2]));
    config_free(c);
}

static void listeners_keep_to_themselves(void **state)
{
    struct config *c = good(
        "[listener.one]\nmqtt_version = 3.1.1\nanonymous = off\n"
        "[listener.two]\ntls = on\ncert = ../c\nkey = /k\nchain = h\nmin_version = 1.3\nciphers =\n"
        "[listener.three]\naddress = unix:s\n[listener.four]\naddress = fe80::1%lo\nport = 9\n"
        "[auth]\nusers = u\nanonymous = on\n");
    const struct config_listener *l = c->listeners;
    (void)state;
    assert_int_equal(c->listeners_n, 4);
    assert_int_equal(l[0].versions, 1 << PROTO_311);
    assert_false(l[0].anonymous);
    assert_true(l[1].anonymous && l[1].tls); /* [auth] stands behind it and holds all the same */
    assert_int_equal(l[1].port, 8883);
    assert_string_equal(l[1].pairs[0].cert, "/nowhere/../c");
    assert_string_equal(l[1].pairs[0].key, "/k");
    assert_string_equal(l[1].pairs[0].chain, "/nowhere/h");
    assert_int_equal(l[1].min_version, TLS_1_3);
    assert_int_equal(l[1].max_version, TLS_1_3);
    assert_null(l[1].ciphers);
    assert_string_equal(l[2].address, "unix:/nowhere/s");
    assert_int_equal(l[2].port, 0);
    assert_string_equal(l[3].address, "fe80::1%lo");
    assert_int_equal(l[3].port, 9);
    config_free(c);
}

static void the_sample_is_right(void **state)
{
    char path[512];
    struct lines l = {.text = ""};
    (void)state;
    const char *source = getenv("SOTTO_SOURCE");
    assert_non_null(source);
    snprintf(path, sizeof path, "%s/conf/sotto.ini", source);
    struct config *c = config_load(path, collect, &l);
    assert_string_equal(l.text, "");
    assert_non_null(c);
    assert_int_equal(c->listeners_n, 2);
    assert_int_equal(c->listeners[0].port, 1883);
    assert_int_equal(c->listeners[1].port, 8883);
    assert_true(c->listeners[1].tls);
    assert_false(c->listeners[0].anonymous || c->listeners[1].anonymous);
    config_free(c);
}

/* Each indented block of the page that begins with a section, all of them at once. */
static void what_the_documents_show_is_right(void **state)
{
    char path[512], line[512], text[8192] = "[auth]\nanonymous = on\nusers = u\n";
    struct lines l = {.text = ""};
    size_t n = strlen(text);
    bool block = false;
    (void)state;
    snprintf(path, sizeof path, "%s/docs/tls.md", getenv("SOTTO_SOURCE"));
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        bool indented = strncmp(line, "    ", 4) == 0;
        block = indented && (block || strncmp(line + 4, "[listener.", 10) == 0);
        if (block)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", line + 4);
    }
    fclose(f);
    struct config *c = config_parse("/nowhere/c", bytes_str(text), collect, &l);
    assert_string_equal(l.text, "");
    assert_non_null(c);
    assert_true(c->listeners_n >= 3);
    assert_int_equal(c->listeners[0].pairs_n, 2);
    assert_string_equal(c->listeners[1].pairs[1].key_passphrase_file, "/etc/ssl/passphrase");
    config_free(c);
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    struct lines l = {.text = ""};
    (void)state;
    assert_null(config_load("/nowhere/c", collect, &l));
    assert_true(covers(l.text, "/nowhere/c: can't be read: No such file or directory;"));
}

static void without_configuration_only_this_machine_is_served(void **state)
{
    (void)state;
    setenv("SOTTO_DATA", "/data", 1);
    struct config *c = config_default();
    assert_null(c->file);
    assert_string_equal(c->data_dir, "/data");
    assert_true(c->listeners_n >= 2);
    for (size_t i = 0; i < c->listeners_n; i++) {
        const struct config_listener *l = &c->listeners[i];
        assert_true(strcmp(l->address, "127.0.0.1") == 0 || strcmp(l->address, "::1") == 0);
        assert_true(l->anonymous);
        assert_int_equal(l->port, l->tls ? 8883 : 1883);
        if (l->tls)
            assert_true(l->pairs_n == 2 && strcmp(l->pairs[0].cert, "/data/server.crt") == 0 &&
                        strcmp(l->pairs[1].key, "/data/server-ec.key") == 0);
    }
    assert_int_equal(c->limits.max_inflight, 20);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_has_its_line_and_words),
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(values_arrive_whole),
        cmocka_unit_test(certificates_come_in_groups),
        cmocka_unit_test(listeners_know_who_clients_are),
        cmocka_unit_test(listeners_keep_to_themselves),
        cmocka_unit_test(the_sample_is_right),
        cmocka_unit_test(what_the_documents_show_is_right),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
        cmocka_unit_test(without_configuration_only_this_machine_is_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
