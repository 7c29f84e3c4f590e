/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of a reload that need no broker: what ends when, by any clock; which names a path depends on; what of a
 * configuration needs a restart. */
#include "../../../src/server/config_changes.h"
#include "../../../src/server/expiry.h"
#include "../../../src/server/file_watch.h"
#include "../../../src/server/renewal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sotto/base/mem.h"
#include "sotto/server/certificates.h"
#include "sotto/transport/tls_endings.h"
#include "sotto/transport/tls_sums.h"

#define DAY ((time_t)24 * 3600)

static char folder[64];

static const char *in(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int setup(void **state)
{
    char err[1024];
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sotto-reload-XXXXXX");
    assert_non_null(mkdtemp(folder));
    struct certificates_wanted w = {.dir = in("certs")};
    return certificates_make(&w, err, sizeof err) == 0 ? tls_init() : -1;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    tls_fini();
    snprintf(command, sizeof command, "rm -r '%s'", folder);
    return system(command) == 0 ? 0 : -1;
}

static void shell(const char *text)
{
    char command[512];
    snprintf(command, sizeof command, "set -e; cd '%s'; %s", folder, text);
    assert_int_equal(system(command), 0);
}

static char *slurp(const char *path)
{
    char *text = calloc(1, 65536);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 65535, f) < 65535);
    fclose(f);
    return text;
}

/* ---- what ends ---- */

static struct tls_pair_files pairs[2];

static struct tls_settings settings(void)
{
    pairs[0] = (struct tls_pair_files){.cert = in("certs/server.crt"), .key = in("certs/server.key")};
    pairs[1] = (struct tls_pair_files){.cert = in("certs/server-ec.crt"), .key = in("certs/server-ec.key")};
    return (struct tls_settings){.pairs = pairs,
                                 .pairs_n = 2,
                                 .min_version = TLS_1_2,
                                 .max_version = TLS_1_3,
                                 .client_cert = TLS_CLIENT_CERT_OPTIONAL,
                                 .client_ca = in("certs/ca.crt")};
}

static struct tls_context *context(void)
{
    char err[1024];
    struct tls_settings s = settings();
    struct tls_context *c = tls_context_new(&s, err, sizeof err, NULL);
    if (c == NULL)
        fail_msg("%s", err);
    return c;
}

/* What is logged when one looks at so long before the first certificate's end; the lines, malloced. */
static char *said(struct expiry *e, const struct tls_set *set, time_t now)
{
    struct log_config c = {LOG_INFO, LOG_TEXT, LOG_TO_FILE, in("log"), 0};
    unlink(c.path);
    assert_int_equal(log_start(&c), 0);
    expiry_look(e, set, now);
    log_stop();
    return slurp(c.path);
}

static unsigned lines(const char *text, const char *what)
{
    unsigned n = 0;
    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void ends_are_said_once_at_each_stage(void **state)
{
    (void)state;
    /* Two listeners share the context: both its certificates are said once. They end together, the CA years later. */
    struct tls_set *set = tls_set_new(3);
    struct tls_context *c = context();
    struct tls_ending end;
    tls_set_put(set, 0, tls_context_ref(c));
    tls_set_put(set, 2, c);
    assert_true(tls_context_ending(c, 0, &end));
    assert_true(end.kind == TLS_ENDS_CERTIFICATE);
    static const struct {
        time_t before;
        const char *level, *words;
    } looks[] = {
        {31 * DAY, NULL, NULL},
        {30 * DAY - 1, "warn tls.expiry", "the server's certificate ends in 29 days"},
        {29 * DAY, NULL, NULL},
        {7 * DAY, NULL, NULL},
        {7 * DAY - 1, "warn tls.expiry", "the server's certificate ends in 6 days"},
        {6 * DAY, NULL, NULL},
        {DAY - 1, "warn tls.expiry", "the server's certificate ends in less than a day"},
        {1, NULL, NULL},
        {-1, "error tls.expiry", "the server's certificate has ended"},
        {-9 * DAY, NULL, NULL},
        /* A clock that is set back says nothing twice. */
        {5 * DAY, NULL, NULL},
    };
    struct expiry e = {.n = 0};
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        char *text = said(&e, set, end.until - looks[i].before);
        unsigned wanted = looks[i].level != NULL ? 2 : 0;
        if (lines(text, "tls.expiry") != wanted || (wanted > 0 && lines(text, looks[i].level) != wanted) ||
            (wanted > 0 && lines(text, looks[i].words) != wanted))
            fail_msg("look %zu:\n%s", i, text);
        free(text);
    }
    expiry_fini(&e);
    tls_set_unref(set);
}

static void a_broker_that_starts_late_says_one_stage(void **state)
{
    (void)state;
    struct tls_set *set = tls_set_new(1);
    struct tls_ending end;
    tls_set_put(set, 0, context());
    assert_true(tls_context_ending(tls_set_at(set, 0), 0, &end));
    struct expiry e = {.n = 0}, ended = {.n = 0};
    char *text = said(&e, set, end.until - 3 * DAY);
    assert_int_equal(lines(text, "tls.expiry"), 2);
    assert_int_equal(lines(text, "ends in 3 days"), 2);
    free(text);
    /* Loading says it where the end has come. */
    text = said(&ended, set, end.until + DAY);
    assert_int_equal(lines(text, "tls.expiry"), 0);
    free(text);
    /* The CA ends long after. */
    time_t last = 0;
    for (size_t i = 0; tls_context_ending(tls_set_at(set, 0), i, &end); i++)
        last = end.until > last ? end.until : last;
    text = said(&ended, set, last - DAY + 1);
    assert_int_equal(lines(text, "the CA of client_ca ends in less than a day"), 1);
    assert_int_equal(lines(text, "tls.expiry"), 1);
    free(text);
    expiry_fini(&e);
    expiry_fini(&ended);
    tls_set_unref(set);
}

/* ---- sums ---- */

static void sums_tell_what_was_changed(void **state)
{
    char names[128];
    struct tls_sums a, b;
    struct tls_settings s = settings();
    (void)state;
    shell("cp -r certs copy");
    tls_sums_take(&a, &s);
    assert_int_equal(a.n, 5);
    assert_true(tls_sums_readable(&a));
    shell("touch certs/server.crt; cp certs/server.key x; mv x certs/server.key");
    tls_sums_take(&b, &s);
    assert_true(tls_sums_equal(&a, &b));
    tls_sums_fini(&b);
    shell("echo >> certs/server.key; rm certs/ca.crt");
    tls_sums_take(&b, &s);
    assert_false(tls_sums_equal(&a, &b));
    assert_false(tls_sums_readable(&b));
    tls_sums_changed(&b, &a, names, sizeof names);
    assert_string_equal(names, "server.key, ca.crt");
    tls_sums_changed(&b, &a, names, 8);
    assert_string_equal(names, "server.");
    tls_sums_fini(&b);
    /* One file less is another set. */
    s.client_cert = TLS_CLIENT_CERT_NONE;
    shell("rm -r certs; mv copy certs");
    tls_sums_take(&b, &s);
    assert_int_equal(b.n, 4);
    assert_false(tls_sums_equal(&a, &b));
    assert_false(tls_sums_equal(&b, &a));
    tls_sums_fini(&b);
    tls_sums_fini(&a);
}

/* ---- spots ---- */

static void expect_spots(const char *path, const char *expected)
{
    char text[2048] = "";
    struct file_spots s = {.n = 0};
    file_spots_add(&s, in(path));
    file_spots_add(&s, in(path)); /* nothing twice */
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.v[i].folder;
        at = strncmp(at, folder, strlen(folder)) == 0 ? at + strlen(folder) : at;
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s|%s", n > 0 ? " " : "", at, s.v[i].name);
    }
    if (strcmp(text, expected) != 0)
        fail_msg("%s: %s, and not %s", path, text, expected);
    file_spots_fini(&s);
}

static void all_names_on_the_way_are_spots(void **state)
{
    (void)state;
    shell(
        "mkdir -p s/live s/archive s/deep; cd s; echo > plain; echo > archive/one; ln -s ../archive/one live/cert; "
        "ln -s live/cert cert; ln -s deep far; ln -s ../plain deep/up; ln -s round round; ln -s a b; ln -s b a; "
        "ln -s missing/x hangs; ln -s \"$PWD/plain\" whole");
    expect_spots("s/plain", "/s|plain");
    expect_spots("s//./plain", "/s|plain");
    expect_spots("s/deep/../plain", "/s|plain");
    expect_spots("s/cert", "/s|cert /s/live|cert /s/archive|one");
    expect_spots("s/far/up", "/s|far /s/deep|up /s|plain");
    expect_spots("s/whole", "/s|whole /s|plain");
    expect_spots("s/round", "/s|round");
    expect_spots("s/a", "/s|a /s|b");
    expect_spots("s/nothing", "/s|nothing");
    expect_spots("s/no/folder/file", "/s|no");
    expect_spots("s/hangs", "/s|hangs /s|missing");
    struct file_spots s = {.n = 0};
    file_spots_add(&s, "relative");
    file_spots_add(&s, "");
    file_spots_add(&s, "/");
    assert_int_equal(s.n, 0);
    char *path = mem_alloc(6001);
    memset(path, 'a', 6000);
    path[0] = '/';
    file_spots_add(&s, path);
    path[300] = '\0';
    file_spots_add(&s, path);
    assert_int_equal(s.n, 0);
    mem_free(path);
}

/* ---- what needs a restart ---- */

static struct config *parse(const char *text)
{
    struct config *c = config_parse("/nowhere/c", bytes_str(text), NULL, NULL);
    assert_non_null(c);
    return c;
}

#define HEAD "[auth]\nanonymous = on\n"
#define TLS "[listener.a]\ntls = on\ncert = c\nkey = k\n"

static void what_needs_a_restart_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *old, *fresh, *keys;
        bool same_tls;
    } cells[] = {
        {HEAD TLS, HEAD TLS, "", true},
        {HEAD TLS, HEAD "[log]\nlevel = debug\n" TLS, "", true},
        {HEAD TLS, HEAD "users = u\n" TLS, "", true},
        {HEAD TLS, HEAD "[listener.a]\ntls = on\ncert = d\nkey = k\n", "", false},
        {HEAD TLS, HEAD TLS "cert = e\nkey = f\n", "", false},
        {HEAD TLS, HEAD TLS "chain = x\n", "", false},
        {HEAD TLS, HEAD TLS "max_version = 1.2\n", "", false},
        {HEAD TLS, HEAD TLS "psk_file = p\n", "", false},
        {HEAD TLS, HEAD TLS "client_cert = required\nclient_ca = ca\n", "", false},
        {HEAD TLS, HEAD TLS "ticket_lifetime = 1h\n", "[listener.a] ticket_lifetime", true},
        {HEAD TLS, HEAD TLS "port = 7\n", "[listener.a] port", true},
        {HEAD TLS, HEAD TLS "anonymous = off\n", "[listener.a] anonymous", true},
        {HEAD TLS, HEAD TLS "mqtt_version = 5\n", "[listener.a] mqtt_version", true},
        {HEAD TLS, HEAD TLS "address = 127.0.0.1\n", "[listener.a] address", true},
        {HEAD TLS, HEAD "[broker]\nthreads = 3\ndata_dir = d\n[limits]\nmax_inflight = 3\n" TLS,
         "[broker] threads, [broker] data_dir, [limits] max_inflight", true},
        {HEAD TLS, HEAD "[log]\ntarget = x\nformat = json\ntls_keylog = y\n" TLS,
         "[log] target, [log] format, [log] tls_keylog", true},
        {HEAD TLS, HEAD TLS "[listener.b]\nport = 9\n", "[listener.b]", true},
        {HEAD TLS "[listener.b]\nport = 9\n", HEAD TLS, "[listener.b]", true},
    };
    for (size_t i = 0; i < sizeof cells / sizeof cells[0]; i++) {
        char keys[1024];
        /* Who may log in must be somewhere. */
        char text[1024];
        const char *with = cells[i].fresh;
        bool users = strstr(with, "anonymous = off") != NULL || strstr(with, "psk_file") != NULL;
        snprintf(text, sizeof text, "%s%s", users ? HEAD "users = u\n" : HEAD, with + strlen(HEAD));
        struct config *old = parse(cells[i].old), *fresh = parse(text);
        config_changes_for_restart(old, fresh, keys, sizeof keys);
        if (strcmp(keys, cells[i].keys) != 0)
            fail_msg("%zu: \"%s\", and not \"%s\"", i, keys, cells[i].keys);
        assert_int_equal(config_changes_same_tls(&old->listeners[0], &fresh->listeners[0]), cells[i].same_tls);
        config_free(old);
        config_free(fresh);
    }
}

/* ---- renewal ---- */

struct told {
    unsigned done, failed;
    char line[2048];
};

static void on_renewal(void *ctx, bool ok, const char *line)
{
    struct told *t = ctx;
    t->done += ok;
    t->failed += !ok;
    snprintf(t->line, sizeof t->line, "%s", line);
}

static void its_own_certificates_are_renewed_ahead(void **state)
{
    char text[1024];
    struct told t = {.done = 0};
    struct tls_ending end;
    struct tls_context *c = context();
    (void)state;
    assert_true(tls_context_ending(c, 0, &end));
    snprintf(text, sizeof text,
             HEAD
             "[listener.a]\ntls = on\ncert = %s/certs/server.crt\nkey = k\ncert = %s/certs/server-ec.crt\nkey = k\n"
             "[listener.b]\nport = 1\ntls = on\ncert = %s/certs/server.crt\nkey = k\n"
             "[listener.c]\nport = 2\ntls = on\ncert = %s/none/server.crt\nkey = k\n"
             "[listener.d]\nport = 3\ntls = on\ncert = %s/certs/ca.crt\nkey = k\n",
             folder, folder, folder, folder, folder);
    struct config *config = parse(text);
    assert_int_equal(renewal_run(config, end.until - 31 * DAY, on_renewal, &t), 0);
    assert_int_equal(t.done + t.failed, 0);
    /* By the clock of then both are due; one folder, one line. */
    assert_int_equal(renewal_run(config, end.until - 29 * DAY, on_renewal, &t), 2);
    assert_int_equal(t.done, 1);
    assert_non_null(strstr(t.line, "server.crt and server-ec.crt in "));
    assert_int_equal(renewal_run(config, end.until - 29 * DAY, on_renewal, &t), 0);
    /* Without the CA's key there is nothing that we could do; with a damaged one, something to say. */
    shell("mv certs/ca.key ca.key");
    assert_int_equal(renewal_run(config, end.until + 370 * DAY, on_renewal, &t), 0);
    assert_int_equal(t.failed, 0);
    shell("echo > certs/ca.key");
    assert_int_equal(renewal_run(config, end.until + 370 * DAY, on_renewal, &t), 0);
    assert_int_equal(t.failed, 1);
    assert_non_null(strstr(t.line, "end soon and can't be renewed by the broker: "));
    shell("mv ca.key certs/ca.key");
    config_free(config);
    tls_context_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_said_once_at_each_stage), cmocka_unit_test(a_broker_that_starts_late_says_one_stage),
        cmocka_unit_test(sums_tell_what_was_changed),       cmocka_unit_test(all_names_on_the_way_are_spots),
        cmocka_unit_test(what_needs_a_restart_is_named),    cmocka_unit_test(its_own_certificates_are_renewed_ahead),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
