/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a broker that keeps its promises can do: publishers wait for their PUBACKs, each with a window of messages, and
 * send the next one at once; the time of each answer is taken. Subscribers have kept sessions, and are there or away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fail.h"
#include "kept.h"
#include "net.h"
#include "probe.h"

#define MS 1000000u
#define WARM (500u * MS)
#define SLOT_NS 10000u /* a slot of the histogram */
#define SLOTS 200000u
#define SILENCE (10000u * MS)

struct kept_publisher {
    struct net_conn conn; /* first */
    uint64_t number;
    uint8_t *packet;
    struct packet_publish made;
    uint64_t *sent_at; /* by packet id less 1; 0: not in flight */
};

struct kept_subscriber {
    struct net_conn conn; /* first */
    uint64_t next;        /* number of the message that comes next */
};

static const struct options *settings;
static struct kept_publisher *publishers;
static struct kept_subscriber *subscribers;
static uint32_t run_number;
static bool publishing, measuring;
static uint64_t sent, most, answered, measured, arrived, repeated, wrong, subscribed, last_arrival;
static uint32_t *slots;
static uint64_t longest;

/* ---- publishers ---- */

static void send_one(struct kept_publisher *p, uint32_t slot, uint64_t now)
{
    if (!publishing || sent >= most)
        return;
    struct packet_stamp stamp = {.run = run_number, .publisher = p->conn.index, .number = p->number++};
    p->packet[p->made.id_at] = (uint8_t)((slot + 1) >> 8);
    p->packet[p->made.id_at + 1] = (uint8_t)(slot + 1);
    packet_stamp_put(p->packet + p->made.payload_at, &stamp);
    p->sent_at[slot] = now;
    sent++;
    net_send(&p->conn, p->packet, p->made.size);
}

static void take_time(uint64_t ns)
{
    uint64_t slot = ns / SLOT_NS;
    slots[slot < SLOTS ? slot : SLOTS - 1]++;
    longest = ns > longest ? ns : longest;
    measured++;
}

static void on_answer(struct net_conn *conn, const struct packet_frame *frame)
{
    struct kept_publisher *p = (struct kept_publisher *)conn;
    uint32_t id = frame->body_size >= 2 ? (uint32_t)frame->body[0] << 8 | frame->body[1] : 0;
    if (frame->head != PACKET_PUBACK || id == 0 || id > (uint32_t)settings->window || p->sent_at[id - 1] == 0)
        net_broken(conn, "a PUBACK was expected, for a message in flight");
    uint64_t now = probe_clock();
    if (measuring)
        take_time(now - p->sent_at[id - 1]);
    p->sent_at[id - 1] = 0;
    answered++;
    send_one(p, id - 1, now);
}

static void topic_of(uint32_t publisher, char *topic)
{
    snprintf(topic, 100, "%s/%u/0", settings->prefix, publisher);
}

static const struct net_handler publisher_handler = {.kind = 'p', .packet = on_answer};

static void open_publishers(void)
{
    char topic[100];
    uint32_t n = (uint32_t)settings->pubs;
    publishers = fail_alloc(n, sizeof publishers[0]);
    net_open_all(publishers, sizeof publishers[0], 0, n, &publisher_handler);
    for (uint32_t i = 0; i < n; i++) {
        struct kept_publisher *p = &publishers[i];
        topic_of(i, topic);
        struct packet_model model = {.topic = topic, .qos = 1, .payload = (size_t)settings->size};
        p->packet = fail_alloc(1, packet_publish_max(&model));
        packet_publish(p->packet, &model, &p->made);
        p->sent_at = fail_alloc((unsigned long)settings->window, sizeof p->sent_at[0]);
    }
}

static void start_publishing(uint64_t messages)
{
    publishing = true;
    most = messages;
    for (uint32_t i = 0; i < (uint32_t)settings->pubs; i++)
        for (uint32_t slot = 0; slot < (uint32_t)settings->window; slot++)
            send_one(&publishers[i], slot, probe_clock());
}

/* ---- subscribers ---- */

static void on_publish(struct net_conn *conn, const struct packet_frame *frame)
{
    struct kept_subscriber *s = (struct kept_subscriber *)conn;
    struct packet_delivery d;
    struct packet_stamp stamp = {0};
    if (!packet_read_publish(frame, false, &d) || d.id == NULL || d.payload_size < PACKET_STAMP)
        net_broken(conn, "a malformed PUBLISH, or one of QoS 0");
    packet_stamp_get(&stamp, d.payload);
    net_reply(PACKET_PUBACK, d.id);
    last_arrival = net_counts.read_time;
    if (stamp.run == run_number && stamp.number == s->next) {
        s->next++;
        arrived++;
    } else if (stamp.run == run_number && stamp.number < s->next) {
        repeated++;
    } else {
        wrong++;
    }
}

static void on_subscriber(struct net_conn *conn, const struct packet_frame *frame)
{
    if ((frame->head & 0xf0) == PACKET_PUBLISH)
        on_publish(conn, frame);
    else if (packet_is_granted(frame, false, 1))
        subscribed++;
    else
        net_broken(conn, "a packet that a subscriber does not expect, or a SUBACK that refuses");
}

static const struct net_handler subscriber_handler = {.kind = 's', .kept = true, .packet = on_subscriber};

static void open_subscribers(void)
{
    char filter[100];
    uint8_t packet[PACKET_SUBSCRIBE_MAX];
    uint32_t n = (uint32_t)settings->subs;
    subscribers = fail_alloc(n, sizeof subscribers[0]);
    net_open_all(subscribers, sizeof subscribers[0], 0, n, &subscriber_handler);
    for (uint32_t i = 0; i < n; i++) {
        topic_of(settings->mode == MODE_DRAIN ? 0 : i % (uint32_t)settings->pubs, filter);
        net_send(&subscribers[i].conn, packet, packet_subscribe(packet, filter, 1, false));
    }
    net_wait(&subscribed, n, "SUBACK");
}

static void leave(void)
{
    for (uint32_t i = 0; i < (uint32_t)settings->subs; i++)
        net_close(&subscribers[i].conn);
}

/* ---- runs ---- */

static void turn_until(uint64_t end)
{
    while (probe_clock() < end)
        net_turn(5);
}

static double percentile_ms(unsigned percent)
{
    uint64_t left = measured * percent / 100;
    for (uint32_t i = 0; i < SLOTS; i++) {
        if (slots[i] > left)
            return (double)(i + 1) * SLOT_NS / 1e6;
        left -= slots[i];
    }
    return 0;
}

static void wait_for_arrivals(uint64_t goal)
{
    uint64_t last = arrived, since = probe_clock();
    while (arrived < goal && probe_clock() - since < SILENCE) {
        net_turn(20);
        if (arrived != last)
            since = probe_clock();
        last = arrived;
    }
}

static void report_cost(struct report *report, const struct probe *a, const struct probe *b, uint64_t n)
{
    double seconds = (double)(b->time - a->time) / 1e9;
    report_figure(report, "seconds", seconds);
    report_figure(report, "per_second", (double)n / seconds);
    if (settings->pid && n > 0) {
        report_figure(report, "broker_cpu_us", (double)(b->broker_cpu - a->broker_cpu) / 1e3 / (double)n);
        report_count(report, "broker_rss", b->broker_rss);
    }
    report_figure(report, "load_cpu_us", n > 0 ? (double)(b->own_cpu - a->own_cpu) / 1e3 / (double)n : 0);
}

/* kept and away. */
static bool run_flow(struct report *report)
{
    struct probe a, b;
    start_publishing(UINT64_MAX);
    turn_until(probe_clock() + WARM);
    probe_take(&a, settings->pid);
    measuring = true;
    uint64_t before = answered;
    turn_until(a.time + (uint64_t)settings->millis * MS);
    uint64_t n = answered - before;
    probe_take(&b, settings->pid);
    measuring = publishing = false;
    net_wait(&answered, sent, "PUBACK");
    if (settings->mode == MODE_KEPT)
        wait_for_arrivals(sent);
    report_cost(report, &a, &b, n);
    report_figure(report, "puback_p50_ms", percentile_ms(50));
    report_figure(report, "puback_p99_ms", percentile_ms(99));
    report_figure(report, "puback_max_ms", (double)longest / 1e6);
    return settings->mode != MODE_KEPT || arrived == sent;
}

static bool run_drain(struct report *report)
{
    struct probe a, b, c;
    uint64_t messages = (uint64_t)settings->messages, goal = messages * (uint64_t)settings->subs;
    probe_take(&a, settings->pid);
    start_publishing(messages);
    net_wait(&answered, messages, "PUBACK");
    probe_take(&b, settings->pid);
    report_figure(report, "fill_seconds", (double)(b.time - a.time) / 1e9);
    report_figure(report, "fill_per_second", (double)goal * 1e9 / (double)(b.time - a.time));
    report_count(report, "filled_rss", b.broker_rss);
    net_open_all(subscribers, sizeof subscribers[0], 0, (uint32_t)settings->subs, &subscriber_handler);
    wait_for_arrivals(goal);
    probe_take(&c, settings->pid);
    c.time = last_arrival > b.time ? last_arrival : c.time;
    report_cost(report, &b, &c, arrived);
    report_count(report, "expected", goal);
    turn_until(probe_clock() + WARM);
    return arrived == goal;
}

bool kept_run(const struct options *options, struct report *report)
{
    settings = options;
    run_number = (uint32_t)probe_clock() ^ (uint32_t)getpid() << 16;
    slots = fail_alloc(SLOTS, sizeof slots[0]);
    net_init(options, (unsigned long)(options->pubs + options->subs) + 64,
             (unsigned long)(options->pubs + 2 * options->subs));
    open_subscribers();
    if (options->mode != MODE_KEPT)
        leave();
    open_publishers();
    bool good = options->mode == MODE_DRAIN ? run_drain(report) : run_flow(report);
    report_count(report, "published", sent);
    report_count(report, "arrived", arrived);
    report_count(report, "repeated", repeated);
    report_count(report, "wrong", wrong);
    return good && wrong == 0 && repeated == 0;
}
