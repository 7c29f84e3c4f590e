/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "options.h"

enum kind { NUMBER, TEXT, FLAG };

struct option_row {
    const char *name;
    enum kind kind;
    size_t at;
    long low, high, standard;
    const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option_row rows[] = {
    {"host", TEXT, AT(host), 0, 0, 0, "IPv4 address of the broker (127.0.0.1)"},
    {"any-host", FLAG, AT(any_host), 0, 0, 0, "allow an address that is not loopback"},
    {"port", NUMBER, AT(port), 1, 65535, 1883, "port"},
    {"pid", NUMBER, AT(pid), 1, 1L << 30, 0, "process of the broker, for its CPU clock and memory"},
    {"tls", TEXT, AT(cafile), 0, 0, 0, "TLS; the value is the file of the CA that signed the broker's certificate"},
    {"tls-version", TEXT, AT(tls_version), 0, 0, 0, "1.2 or 1.3 only"},
    {"resume", FLAG, AT(resume), 0, 0, 0, "hands: take up the TLS session of a client that was there before"},
    {"count", NUMBER, AT(count), 1, 1000000, 4000, "hands: connections in all"},
    {"user", TEXT, AT(user), 0, 0, 0, "user name"},
    {"password", TEXT, AT(password), 0, 0, 0, "password"},
    {"prefix", TEXT, AT(prefix), 0, 0, 0, "start of topics and client ids (bench)"},
    {"mqtt", TEXT, AT(mqtt), 0, 0, 0, "version of the protocol: 3.1.1 or 5 (3.1.1)"},
    {"sub-mqtt", TEXT, AT(sub_mqtt), 0, 0, 0, "that of the subscribers, where it is another one"},
    {"alias", FLAG, AT(alias), 0, 0, 0,
     "MQTT 5.0: publishers use topic aliases, subscribers let the broker use its own"},
    {"pub-alias", FLAG, AT(pub_alias), 0, 0, 0, "only the former"},
    {"sub-alias", FLAG, AT(sub_alias), 0, 0, 0, "only the latter"},
    {"pubs", NUMBER, AT(pubs), 1, 10000, 0, "publishers (in, pairs: 100; out: 1)"},
    {"subs", NUMBER, AT(subs), 1, 10000, 0, "subscribers (in: 1; out: 500; pairs: as many as publishers)"},
    {"qos", NUMBER, AT(qos), 0, 2, 0, "QoS of publishing and subscribing"},
    {"size", NUMBER, AT(size), 16, 1L << 20, 64, "payload bytes"},
    {"ms", NUMBER, AT(millis), 1, 600000, 2000, "how long to publish"},
    {"messages", NUMBER, AT(messages), 0, 1L << 40, 0, "how many to publish instead; 0: by time"},
    {"warmup", NUMBER, AT(warmup), 0, 1L << 30, 20000, "deliveries before the clock starts"},
    {"window", NUMBER, AT(window), 1, 10000, 64, "QoS 1 and 2: messages in flight of a publisher"},
    {"sub-window", NUMBER, AT(sub_window), 1, 65535, 20, "QoS 1 and 2: what the broker has in flight to a subscriber"},
    {"outstanding", NUMBER, AT(outstanding), 0, 1L << 30, 0, "bound on what is published and not delivered"},
    {"queue", NUMBER, AT(queue), 1, 1L << 30, 500, "QoS 1 and 2: the same bound for one subscriber"},
    {"burst", NUMBER, AT(burst), 1, 10000, 32, "most messages in one write"},
    {"lock-step", FLAG, AT(lock_step), 0, 0, 0, "publish when all has arrived: for counts, the same in every run"},
    {"nap", NUMBER, AT(nap), 0, 100000, 10000, "longest nap between reads while the broker is busy, us"},
    {"first", NUMBER, AT(first), 0, 200000, 5000, "idle: connections at the first measurement"},
    {"second", NUMBER, AT(second), 1, 200000, 15000, "idle: connections at the second"},
    {"concurrent", NUMBER, AT(concurrent), 1, 1000, 64, "connections in progress at once"},
    {"json", FLAG, AT(json), 0, 0, 0, "print one line of JSON instead of key=value"},
};
#define ROWS (sizeof rows / sizeof rows[0])

static const char *const modes[] = {
    [MODE_IN] = "in",       [MODE_OUT] = "out",   [MODE_PAIRS] = "pairs", [MODE_IDLE] = "idle",
    [MODE_HANDS] = "hands", [MODE_KEPT] = "kept", [MODE_AWAY] = "away",   [MODE_DRAIN] = "drain"};

static void print_row(const struct option_row *row)
{
    printf("  --%-12s %s", row->name, row->help);
    if (row->kind == NUMBER && row->standard)
        printf(" (%ld)", row->standard);
    puts(row->kind == FLAG ? " (no value)" : "");
}

static void usage(void)
{
    puts(
        "usage: bench_broker MODE [--option value]...\n\n"
        "  in      many publishers to one subscriber\n"
        "  out     one publisher to many subscribers\n"
        "  pairs   publisher i to subscriber i\n"
        "  idle    connections that do nothing: memory of the broker per connection\n"
        "  hands   clients that come and go: TLS handshake, CONNECT, CONNACK, DISCONNECT\n"
        "  kept    as pairs at QoS 1, subscribers with kept sessions: time from PUBLISH to PUBACK\n"
        "  away    the same, and the subscribers are not there\n"
        "  drain   one publisher to many subscribers that are away, at QoS 1; then they come, all at once\n");
    for (size_t i = 0; i < ROWS; i++)
        print_row(&rows[i]);
    puts("\nexit status: 0 good, 1 a check did not hold, 2 wrong arguments, 3 no connection or no progress");
    exit(0);
}

static const struct option_row *find_row(const char *word)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, rows[i].name) == 0)
            return &rows[i];
    fail(FAIL_USAGE, "%s: no such option; see --help", word);
}

static void set_standards(struct options *options)
{
    memset(options, 0, sizeof *options);
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].kind == NUMBER)
            *(long *)((char *)options + rows[i].at) = rows[i].standard;
    options->host = "127.0.0.1";
    options->prefix = "bench";
    options->mqtt = "3.1.1";
}

static void set_option(struct options *options, const struct option_row *row, const char *value)
{
    char *place = (char *)options + row->at, *end;
    if (row->kind == TEXT) {
        *(const char **)place = value;
        return;
    }
    long number = strtol(value, &end, 10);
    if (end == value || *end || number < row->low || number > row->high)
        fail(FAIL_USAGE, "--%s %s: a number from %ld to %ld is needed", row->name, value, row->low, row->high);
    *(long *)place = number;
}

static void set_mode(struct options *options, const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
        if (strcmp(name, modes[i]) == 0) {
            options->mode = (enum options_mode)i;
            options->mode_name = modes[i];
            return;
        }
    fail(FAIL_USAGE, "%s: the mode is in, out, pairs, idle, hands, kept, away or drain; see --help", name);
}

/* 10,000 deliveries or 16 MiB keep every broker busy and none needs to drop; a fan-out needs some for each subscriber.
 */
static void set_bounds(struct options *options)
{
    if (options->outstanding == 0) {
        long bound = (16L << 20) / (options->size + 32);
        bound = bound > 10000 ? 10000 : bound;
        if (options->mode == MODE_OUT && bound < 40 * options->subs)
            bound = 40 * options->subs;
        options->outstanding = bound;
    }
    if (options->qos > 0 && options->outstanding / options->queue >= options->subs)
        options->outstanding = options->queue * options->subs;
}

static bool is_v5(const char *option, const char *word)
{
    if (strcmp(word, "5") == 0 || strcmp(word, "5.0") == 0)
        return true;
    if (strcmp(word, "3.1.1") != 0)
        fail(FAIL_USAGE, "--%s %s: the versions are 3.1.1 and 5", option, word);
    return false;
}

static void set_versions(struct options *options)
{
    options->pub_v5 = is_v5("mqtt", options->mqtt);
    options->sub_v5 = options->sub_mqtt ? is_v5("sub-mqtt", options->sub_mqtt) : options->pub_v5;
    if ((options->pub_alias && !options->pub_v5) || (options->sub_alias && !options->sub_v5) ||
        (options->alias && !options->pub_v5 && !options->sub_v5))
        fail(FAIL_USAGE, "topic aliases are of MQTT 5.0; add --mqtt 5");
    options->pub_alias |= options->alias && options->pub_v5;
    options->sub_alias |= options->alias && options->sub_v5;
}

static void set_tls_version(struct options *options)
{
    const char *version = options->tls_version;
    if (!version)
        return;
    if (!options->cafile || (strcmp(version, "1.2") != 0 && strcmp(version, "1.3") != 0))
        fail(FAIL_USAGE, "--tls-version %s: 1.2 or 1.3, together with --tls", version);
    options->tls_minor = version[2] - '0';
}

static void check_all(struct options *options)
{
    struct in_addr address;
    if (inet_pton(AF_INET, options->host, &address) != 1)
        fail(FAIL_USAGE, "--host %s: an IPv4 address is needed", options->host);
    if ((ntohl(address.s_addr) >> 24) != 127 && !options->any_host)
        fail(FAIL_USAGE, "--host %s: not loopback; add --any-host to load a broker elsewhere", options->host);
    if (strlen(options->prefix) > 60)
        fail(FAIL_USAGE, "--prefix: longer than 60 bytes");
    if ((options->user && strlen(options->user) > 200) || (options->password && strlen(options->password) > 200))
        fail(FAIL_USAGE, "--user, --password: longer than 200 bytes");
    if (options->first >= options->second)
        fail(FAIL_USAGE, "--first %ld --second %ld: the second is the larger one", options->first, options->second);
    if ((options->mode == MODE_IDLE || options->mode == MODE_HANDS) && !options->pid)
        fail(FAIL_USAGE, "%s: --pid is needed, for the broker's memory and CPU time", options->mode_name);
    if (options->resume && (options->mode != MODE_HANDS || !options->cafile))
        fail(FAIL_USAGE, "--resume belongs to hands with --tls");
    if (options->mode >= MODE_KEPT && options->pub_v5)
        fail(FAIL_USAGE, "%s: in MQTT 3.1.1 only", options->mode_name);
    if (options->mode == MODE_DRAIN && options->pubs != 1)
        fail(FAIL_USAGE, "drain: one publisher");
    if ((options->mode == MODE_PAIRS || options->mode == MODE_KEPT) && options->pubs != options->subs)
        fail(FAIL_USAGE, "%s: as many publishers as subscribers (%ld and %ld)", options->mode_name, options->pubs,
             options->subs);
}

void options_read(struct options *options, int count, char **words)
{
    set_standards(options);
    if (count < 2 || strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)
        usage();
    set_mode(options, words[1]);
    for (int i = 2; i < count; i++) {
        const struct option_row *row = find_row(words[i]);
        if (row->kind == FLAG) {
            *(bool *)((char *)options + row->at) = true;
            continue;
        }
        if (++i == count)
            fail(FAIL_USAGE, "--%s needs a value", row->name);
        set_option(options, row, words[i]);
    }
    if (!options->pubs)
        options->pubs = options->mode == MODE_OUT || options->mode == MODE_DRAIN ? 1
                        : options->mode == MODE_PAIRS && options->subs           ? options->subs
                                                                                 : 100;
    if (!options->subs)
        options->subs = options->mode == MODE_IN      ? 1
                        : options->mode == MODE_OUT   ? 500
                        : options->mode == MODE_DRAIN ? 1000
                                                      : options->pubs;
    if (options->mode == MODE_DRAIN && !options->messages)
        options->messages = 1000;
    set_versions(options);
    set_tls_version(options);
    check_all(options);
    set_bounds(options);
}
