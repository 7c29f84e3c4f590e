/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rounds. Two forms: a kill (SIGKILL: what the system was given to write it does write), and a power cut, with the
 * program sotto_power, whose disk forgets what was not synced (power.c).
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"
#include "disk/shim_vfs.h"
#include "e2e/e2e.h"

#define DRAIN_MS 20000
#define QUIET_MS 400

struct run {
    struct broker b;
    struct publisher publishers[PUBLISHERS];
    struct subscriber subscribers[SUBSCRIBERS];
    unsigned starts_cut; /* how often it was ended before it listened */
    bool listening;
};

static struct {
    uint64_t seed;
    unsigned rounds, threads, qos, ms;
    bool power;
} options = {.rounds = 10, .threads = 2, .qos = 2, .ms = 500};

static const char config[] =
    "[broker]\nthreads = %u\ndata_dir = @DIR@/data\n"
    "[auth]\nanonymous = on\n[limits]\n"
    "max_queued_messages = 10000000\nmax_queued_bytes = 4G\n"
    "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n";

/* ---------------------------------------------------------------- chance and time */

static uint64_t chance;

void draw_seed(uint64_t seed)
{
    chance = seed;
}

uint64_t draw(uint64_t n)
{
    uint64_t x = chance += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % n;
}

uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- clients */

/* Waits for something to read, a millisecond at most, as long as somebody is connected. */
static void nap(struct run *r)
{
    struct pollfd fds[PUBLISHERS + SUBSCRIBERS];
    nfds_t n = 0;
    for (unsigned i = 0; i < PUBLISHERS; i++)
        if (r->publishers[i].w.fd >= 0)
            fds[n++] = (struct pollfd){.fd = r->publishers[i].w.fd, .events = POLLIN};
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        if (r->subscribers[i].w.fd >= 0)
            fds[n++] = (struct pollfd){.fd = r->subscribers[i].w.fd, .events = POLLIN};
    r->listening |= n > 0;
    poll(fds, n, 1);
    nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

static void turn(struct run *r, bool more, bool all)
{
    for (unsigned i = 0; i < PUBLISHERS; i++)
        publisher_turn(&r->publishers[i], r->b.ports[0], more);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        subscriber_turn(&r->subscribers[i], r->b.ports[0], all);
    nap(r);
}

static unsigned under_way(const struct run *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < PUBLISHERS; i++)
        n += r->publishers[i].n;
    return n;
}

static uint64_t arrivals(const struct run *r)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        n += r->subscribers[i].arrivals;
    return n;
}

static bool everybody_there(const struct run *r)
{
    for (unsigned i = 0; i < PUBLISHERS; i++)
        if (!r->publishers[i].connected)
            return false;
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        if (!r->subscribers[i].connected || !r->subscribers[i].subscribed)
            return false;
    return true;
}

/* ---------------------------------------------------------------- rounds */

/* The moment of the cut: sotto_power chooses it at one of its next calls to the disk, or is told by a signal. */
static void launch(struct run *r)
{
    char text[64];
    if (options.power) {
        uint64_t call = draw(2) == 0 ? 1 + draw(draw(4) == 0 ? 60 : 1500) : 0;
        snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)draw(UINT32_MAX), (unsigned long long)call);
        setenv("SOTTO_POWER", text, 1);
    }
    r->listening = false;
    broker_launch(&r->b);
}

static void end(struct run *r)
{
    int status;
    kill(r->b.pid, options.power ? SIGUSR2 : SIGKILL);
    for (uint64_t until = now_ms() + 20000 * patience(); now_ms() < until;) {
        if (broker_ended(&r->b, &status))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("the broker does not end");
}

/* Sometimes while it starts. */
static void one_round(struct run *r)
{
    uint64_t ms = draw(5) == 0 ? draw(40) : draw(2 * options.ms);
    int status;
    launch(r);
    for (uint64_t until = now_ms() + ms * patience(); now_ms() < until;) {
        turn(r, true, false);
        if (broker_ended(&r->b, &status)) {
            if (!options.power || !WIFEXITED(status) || WEXITSTATUS(status) != SHIM_OFF)
                wrong("the broker ended by itself, wait status %d", status);
            break;
        }
    }
    if (r->b.pid != 0)
        end(r);
    r->starts_cut += !r->listening;
    /* Clients find out before it is there again. */
    turn(r, false, false);
}

static void describe(const struct run *r)
{
    for (unsigned i = 0; i < PUBLISHERS; i++)
        printf("publisher %u: connected %d, %u under way\n", i, r->publishers[i].connected, r->publishers[i].n);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        printf("subscriber %u: connected %d, subscribed %d, %llu arrived, last packet id %u\n", i,
               r->subscribers[i].connected, r->subscribers[i].subscribed,
               (unsigned long long)r->subscribers[i].arrivals, r->subscribers[i].last_id);
}

/* Neither a kill nor a power cut may damage the database. */
static void check_log(struct run *r)
{
    char *log = broker_log(&r->b);
    for (char *line = strtok(log, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (strstr(line, " warn store.") != NULL || strstr(line, " error store.") != NULL)
            wrong("the broker says: %s", line);
    free(log);
}

static void drain(struct run *r)
{
    uint64_t last = 0, since = now_ms();
    while (!everybody_there(r) || under_way(r) > 0 || ledger_missing(false) > 0) {
        for (unsigned i = 0; i < 10; i++)
            turn(r, false, true);
        uint64_t now = now_ms(), n = arrivals(r) + ledger_confirmed();
        if (n != last)
            since = now;
        last = n;
        if (now - since > DRAIN_MS * patience())
            break;
    }
    if (!everybody_there(r) || under_way(r) > 0 || ledger_missing(false) > 0)
        describe(r);
    if (!everybody_there(r) || under_way(r) > 0)
        wrong("not everybody is served in the end: %u messages not acknowledged", under_way(r));
    ledger_missing(true);
    for (uint64_t until = now_ms() + QUIET_MS; now_ms() < until;)
        turn(r, false, true);
}

static void check_retained(struct run *r)
{
    struct peer *p = client(r->b.ports[0], "reader");
    uint8_t *body;
    size_t size;
    peer_packet(p, 0x82, "0001 <r/#> 00");
    for (unsigned left = ledger_retained_wanted(); left > 0;) {
        unsigned publisher, kind, number;
        uint8_t first = peer_read_packet(p, &body, &size);
        size_t topic = first == 0x31 ? 2 + (size_t)(body[0] << 8 | body[1]) : size;
        left -= first == 0x31;
        if (first == 0x31 && sscanf((char *)body + topic, "%u %u %u", &publisher, &kind, &number) == 3)
            ledger_retained(publisher, number);
        free(body);
    }
    peer_drain(p);
    peer_disconnect(p);
    ledger_check_retained();
}

/* An orderly stop: what was acknowledged until then does not come again. */
static void check_again(struct run *r)
{
    struct program check;
    unsetenv("SOTTO_POWER");
    broker_stop(&r->b);
    program_run(&check, 0, NULL, ARGV(sotto_bin(), "store", "check", broker_path(&r->b, "data")));
    program_fini(&check);
    turn(r, false, true);
    broker_launch(&r->b);
    uint64_t before = arrivals(r);
    for (uint64_t until = now_ms() + DRAIN_MS * patience(); now_ms() < until && !everybody_there(r);)
        turn(r, false, true);
    for (uint64_t until = now_ms() + QUIET_MS; now_ms() < until;)
        turn(r, false, true);
    if (!everybody_there(r))
        wrong("not everybody is served after an orderly stop");
    if (arrivals(r) != before)
        wrong("%llu messages came again after an orderly stop", (unsigned long long)(arrivals(r) - before));
}

/* ---------------------------------------------------------------- the test */

/* A free port below those that the system gives to connections: while the broker is down, one of them could get its
 * port, or even be connected to itself. */
static uint16_t quiet_port(void)
{
    for (;;) {
        uint16_t port = (uint16_t)(12000 + (draw(18000) + (uint64_t)getpid()) % 18000);
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool is_free = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
        close(fd);
        if (is_free)
            return port;
    }
}

static void start(struct run *r)
{
    char text[sizeof(config) + 16];
    snprintf(text, sizeof(text), config, options.threads);
    broker_init(&r->b);
    r->b.ports[0] = quiet_port();
    broker_write(&r->b, "sotto.ini", text);
    for (unsigned i = 0; i < PUBLISHERS; i++)
        publisher_init(&r->publishers[i], i, options.qos);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        subscriber_init(&r->subscribers[i], i);
}

static void finish(struct run *r)
{
    for (unsigned i = 0; i < PUBLISHERS; i++)
        publisher_fini(&r->publishers[i]);
    for (unsigned i = 0; i < SUBSCRIBERS; i++)
        subscriber_fini(&r->subscribers[i]);
    broker_fini(&r->b);
}

static void report(const struct run *r)
{
    printf(
        "%u %s (%u at the start), seed %llu, %u loops: %llu messages published, %llu acknowledged, %llu arrived, %llu "
        "of them again at QoS 1\n",
        options.rounds, options.power ? "power cuts" : "kills", r->starts_cut, (unsigned long long)options.seed,
        options.threads, (unsigned long long)ledger_published(), (unsigned long long)ledger_confirmed(),
        (unsigned long long)ledger_delivered(), (unsigned long long)ledger_repeated());
}

static void nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    struct run *r = calloc(1, sizeof(*r));
    ledger_reset();
    draw_seed(options.seed);
    start(r);
    for (unsigned i = 0; i < options.rounds && wrongs() == 0; i++)
        one_round(r);
    unsetenv("SOTTO_POWER");
    broker_start(&r->b);
    check_log(r);
    drain(r);
    if (wrongs() == 0) {
        check_retained(r);
        check_again(r);
    }
    check_log(r);
    report(r);
    finish(r);
    assert_true(ledger_confirmed() > 0);
    free(r);
    if (wrongs() > 0)
        fail_msg("%u wrongs; again: --seed %llu --rounds %u", wrongs(), (unsigned long long)options.seed,
                 options.rounds);
}

static bool parse(int argc, char **argv)
{
    static const struct option names[] = {
        {"seed", required_argument, NULL, 's'},    {"rounds", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 't'}, {"qos", required_argument, NULL, 'q'},
        {"ms", required_argument, NULL, 'm'},      {0}};
    options.seed = (uint64_t)time(NULL);
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (c == '?')
            return false;
        unsigned long v = strtoul(optarg, NULL, 10);
        if (c == 's')
            options.seed = v;
        else
            *(c == 'r'   ? &options.rounds
              : c == 't' ? &options.threads
              : c == 'q' ? &options.qos
                         : &options.ms) = (unsigned)v;
    }
    return optind == argc && options.threads > 0 && options.ms > 0;
}

/* By hand, the waits of the end are to be as long as in the short form, however many rounds came before. */
static void take_time(void)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", 120 + options.rounds * (2ull * options.ms + 2000) / 1000);
    setenv("SOTTO_TEST_SECONDS", text, 0);
}

int crash_main(int argc, char **argv, bool power)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_acknowledged_is_lost)};
    options.power = power;
    if (!parse(argc, argv)) {
        fprintf(stderr, "usage: %s [--rounds N] [--seed N] [--threads N] [--qos 1|2] [--ms MEAN]\n", argv[0]);
        return 2;
    }
    if (getenv("SOTTO_BIN") == NULL) {
        fprintf(stderr, "%s: SOTTO_BIN is not set: name the broker's program in it\n", argv[0]);
        return 2;
    }
    if (power && getenv("SOTTO_POWER_BIN") != NULL)
        setenv("SOTTO_BIN", getenv("SOTTO_POWER_BIN"), 1);
    take_time();
    printf("seed %llu\n", (unsigned long long)options.seed);
    return cmocka_run_group_tests_name(power ? "power" : "kill", tests, NULL, NULL);
}
