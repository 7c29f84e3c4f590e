/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of a session hands what it has of a shared subscription on to other members, on two loops, and just then the
 * broker is killed, or the power is cut at one of the next calls to the disk. Each message was acknowledged before: in
 * the end some member has each at QoS 1, and at QoS 2 one of them has it once.
 *
 * Rounds: SOTTO_ROUNDS of each of the four kinds; SOTTO_SEED draws the same moments again.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "crash.h"
#include "e2e/e2e.h"

enum { MEMBERS = 3, MESSAGES = 40 };

static const char config[] = TWO_LOOPS "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n";

struct member {
    struct wire w;
    char id[8];
    bool connected;
    uint8_t received[65536 / 8]; /* QoS 2 packet ids that were not released */
};

struct run {
    struct broker *b;
    struct member m[MEMBERS];
    unsigned seen[MESSAGES];
    uint8_t qos;
};

static struct {
    const char *plain, *power;
    unsigned rounds;
} options;

static unsigned caught; /* rounds that ended while messages were on their way */

/* ---------------------------------------------------------------- members */

static void on_publish(struct run *r, struct member *m, struct packet *k)
{
    uint8_t qos = k->first >> 1 & 3;
    uint16_t topic_n = get_16(k);
    k->p = topic_n <= k->end - k->p ? k->p + topic_n : k->end;
    uint16_t id = get_16(k);
    unsigned number = k->p < k->end ? *k->p - '0' : MESSAGES;
    assert_true(qos == r->qos && number < MESSAGES);
    bool known = qos == 2 && (m->received[id / 8] & 1u << id % 8) != 0;
    r->seen[number] += !known;
    if (qos == 2)
        m->received[id / 8] |= (uint8_t)(1u << id % 8);
    send_ack(&m->w, qos == 1 ? 0x40 : 0x50, id);
}

static void on_packet(struct run *r, struct member *m, struct packet *k)
{
    if (k->first == 0x20) {
        assert_int_equal(get_8(k), 1); /* its session is there */
        assert_int_equal(get_8(k), 0);
        m->connected = true;
    } else if (k->first >> 4 == 3) {
        on_publish(r, m, k);
    } else if (k->first == 0x62) {
        uint16_t id = get_16(k);
        m->received[id / 8] &= (uint8_t) ~(1u << id % 8);
        send_ack(&m->w, 0x70, id);
    } else if (k->first != 0xe0) {
        fail_msg("%s got packet %02x", m->id, k->first);
    }
}

static void member_turn(struct run *r, struct member *m)
{
    struct packet k;
    size_t at = 0;
    if (m->w.fd < 0) {
        if (!wire_open(&m->w, r->b->ports[0]))
            return;
        send_connect(&m->w, m->id, false, 0);
    }
    bool on = wire_turn(&m->w);
    while (wire_next(&m->w, &at, &k))
        on_packet(r, m, &k);
    wire_done(&m->w, at);
    if (on)
        return;
    wire_close(&m->w, false);
    m->connected = false;
}

static void turns(struct run *r, unsigned ms)
{
    for (uint64_t until = now_ms() + ms; now_ms() < until;) {
        for (unsigned i = 0; i < MEMBERS; i++)
            member_turn(r, &r->m[i]);
        usleep(200);
    }
}

static bool all_connected(const struct run *r)
{
    for (unsigned i = 0; i < MEMBERS; i++)
        if (!r->m[i].connected)
            return false;
    return true;
}

static unsigned missing(const struct run *r)
{
    unsigned n = 0;
    for (unsigned i = 0; i < MESSAGES; i++)
        n += r->seen[i] == 0;
    return n;
}

/* ---------------------------------------------------------------- a round */

static void publish_all(const struct run *r)
{
    struct peer *p = client(r->b->ports[0], "p");
    for (unsigned i = 0; i < MESSAGES; i++) {
        uint16_t id = (uint16_t)(i + 1);
        peer_packet(p, (uint8_t)(0x30 | r->qos << 1), "<t> %04x %02x", id, '0' + i);
        peer_expect(p, r->qos == 1 ? "40 02 %04x" : "50 02 %04x", id);
        if (r->qos == 1)
            continue;
        peer_packet(p, 0x62, "%04x", id);
        peer_expect(p, "70 02 %04x", id);
    }
    peer_disconnect(p);
}

/* All is with "a"; then the others come, and all are away. */
static void prepare(struct run *r)
{
    struct peer *a = durable_client(r->b->ports[0], "a", false);
    peer_subscribe(a, 1, "$share/g/t", r->qos);
    peer_disconnect(a);
    publish_all(r);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct peer *m = durable_client(r->b->ports[0], r->m[i].id, false);
        peer_subscribe(m, 1, "$share/g/t", r->qos);
        peer_disconnect(m);
    }
}

/* A clean start: not waited for. */
static void end_session_of_a(struct wire *w, uint16_t port)
{
    if (!wire_open(w, port))
        return;
    send_connect(w, "a", true, 0);
    (void)wire_turn(w);
}

static void forget(struct wire *w)
{
    wire_close(w, false);
    free(w->out);
}

static void wait_for_the_end(struct run *r, bool power)
{
    int status;
    if (!power) {
        broker_kill(r->b);
        return;
    }
    for (unsigned i = 0; i < 20 && !broker_ended(r->b, &status); i++)
        turns(r, 5);
    if (r->b->pid != 0)
        kill(r->b->pid, SIGUSR2);
    for (struct waiting w = {0}; r->b->pid != 0 && !broker_ended(r->b, &status);)
        assert_true(waiting(&w));
}

static void check_store(const struct run *r)
{
    struct program check;
    program_run(&check, 0, NULL, ARGV(sotto_bin(), "store", "check", broker_path(r->b, "data")));
    program_fini(&check);
    program_run(&check, 0, NULL, ARGV(sotto_bin(), "store", "show", broker_path(r->b, "data")));
    if (strstr(check.output, "Queued: 0, of 0 messages") == NULL)
        fail_msg("%s", check.output);
    program_fini(&check);
}

static void look_who_was_on_the_way(const struct run *r)
{
    struct program show;
    program_run(&show, 0, NULL, ARGV(sotto_bin(), "store", "show", broker_path(r->b, "data")));
    caught += strstr(show.output, "on their way") != NULL;
    program_fini(&show);
}

static void judge(struct run *r, uint64_t seed)
{
    struct peer *a = client(r->b->ports[0], "a"); /* where it had come to nothing */
    peer_disconnect(a);
    for (struct waiting w = {0}; (!all_connected(r) || missing(r) > 0) && waiting(&w);)
        turns(r, 20);
    turns(r, 100);
    for (unsigned i = 0; i < MESSAGES; i++) {
        if (r->seen[i] == 0)
            fail_msg("message %u of QoS %u is lost (seed %llu)", i, r->qos, (unsigned long long)seed);
        if (r->seen[i] > 1 && r->qos == 2)
            fail_msg("message %u came %u times at QoS 2 (seed %llu)", i, r->seen[i], (unsigned long long)seed);
    }
}

static void one_round(struct broker *b, uint8_t qos, bool power, uint64_t seed)
{
    struct run *r = calloc(1, sizeof(*r));
    char text[64];
    struct wire a;
    *r = (struct run){.b = b, .qos = qos};
    draw_seed(seed);
    wire_init(&a, false);
    for (unsigned i = 0; i < MEMBERS; i++) {
        wire_init(&r->m[i].w, false);
        snprintf(r->m[i].id, sizeof(r->m[i].id), "m%u", i);
    }
    unsetenv("SOTTO_POWER");
    broker_start(b);
    prepare(r);
    broker_stop(b);

    bool online = draw(2) == 0;
    unsigned after = (unsigned)draw(draw(4) > 0 ? 1000 : 5000);
    if (power) { /* the start itself has some calls */
        snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)draw(UINT32_MAX),
                 (unsigned long long)(10 + draw(35)));
        setenv("SOTTO_POWER", text, 1);
        broker_launch(b);
    } else {
        broker_start(b);
    }
    int status;
    for (struct waiting w = {0}; online && !all_connected(r) && !broker_ended(b, &status) && waiting(&w);)
        turns(r, 2);
    for (unsigned i = 0; power && !online && i < 50 && !broker_ended(b, &status); i++) {
        end_session_of_a(&a, b->ports[0]);
        if (a.fd >= 0)
            break;
        usleep(5000);
    }
    if (!power || online)
        end_session_of_a(&a, b->ports[0]);
    if (!power)
        usleep(after);
    if (b->pid != 0)
        wait_for_the_end(r, power);
    forget(&a);

    unsetenv("SOTTO_POWER");
    look_who_was_on_the_way(r);
    broker_start(b);
    judge(r, seed);
    for (unsigned i = 0; i < MEMBERS; i++)
        forget(&r->m[i].w);
    broker_stop(b);
    check_store(r);
    broker_start(b); /* for the next round nobody is left */
    for (unsigned i = 0; i < MEMBERS; i++)
        peer_disconnect(client(b->ports[0], r->m[i].id));
    broker_stop(b);
    free(r);
}

static void rounds(struct broker *b, uint8_t qos, bool power)
{
    const char *from = getenv("SOTTO_SEED");
    uint64_t seed = from != NULL ? strtoull(from, NULL, 10) : (uint64_t)time(NULL) * 1000;
    setenv("SOTTO_BIN", power && options.power != NULL ? options.power : options.plain, 1);
    for (unsigned i = 0; i < options.rounds; i++)
        one_round(b, qos, power, seed + i);
}

static int setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_write(b, "sotto.ini", config);
    return 0;
}

static void qos_1_killed(void **state)
{
    rounds(*state, 1, false);
}

static void qos_2_killed(void **state)
{
    rounds(*state, 2, false);
}

static void qos_1_cut_off(void **state)
{
    rounds(*state, 1, true);
}

static void qos_2_cut_off(void **state)
{
    rounds(*state, 2, true);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, broker_teardown)
    const struct CMUnitTest tests[] = {T(qos_1_killed), T(qos_2_killed), T(qos_1_cut_off), T(qos_2_cut_off)};
    options.plain = sotto_bin();
    options.power = getenv("SOTTO_POWER_BIN");
    options.rounds = getenv("SOTTO_ROUNDS") != NULL ? (unsigned)strtoul(getenv("SOTTO_ROUNDS"), NULL, 10) : 4;
    int rc = cmocka_run_group_tests_name("hand_on", tests, NULL, NULL);
    printf("%u of %u rounds ended while messages were on their way\n", caught, 4 * options.rounds);
    return rc;
}
