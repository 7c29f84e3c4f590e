/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages from publishers to subscribers as fast as the broker takes them.
 *
 * How much is on its way is bounded, so that no broker has a reason to drop: a lost message is the broker's fault.
 * Within that bound the broker is the bottleneck, and the load has time to spare. If it read each message as it comes,
 * the broker would pay for waking it up each time; a busy machine would not, and figures would depend on who is faster.
 * So the load naps between reads, for a quarter of the time that the broker needs for what it has at hand. It never
 * runs dry by that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "fail.h"
#include "flow.h"
#include "net.h"
#include "probe.h"
#include "publish.h"

#define MS 1000000u
#define SILENCE_LOST (3000u * MS)  /* after the last message: what has not come by then is lost */
#define SILENCE_STALL (2000u * MS) /* while there is more to publish: the broker dropped all that was on its way */
#define SILENCE_JUMPED (500u * MS) /* everything newer came: what is missing was dropped */
#define SETTLE (300u * MS)         /* before measuring, and for extra copies after it */
#define SOCKET_BYTES 65536.0       /* that a socket holds for us while we nap, roughly */

struct flow_counts {
    struct check_totals totals;
    uint64_t outstanding; /* deliveries to come, those that were jumped over not counted */
    uint64_t misrouted;   /* not of this run, of another topic, to the wrong subscriber, never published, or of the
                           * wrong size */
    uint64_t misflagged;  /* wrong QoS, or DUP or RETAIN where neither belongs */
    uint64_t subscribed;
    uint64_t last_arrival; /* monotonic clock, ns */
};

struct subscriber {
    struct net_conn conn; /* first */
    uint32_t aliases[PACKET_ALIASES];
};

static struct flow_counts counts;
static const struct options *settings;
static struct subscriber *subscribers;
static struct check_stream *streams;
static uint32_t fan; /* deliveries per message */
static uint32_t run_number;

/* ---- subscribers ---- */

static struct check_stream *stream_of(uint32_t subscriber, uint32_t publisher)
{
    if (settings->mode == MODE_PAIRS)
        return &streams[publisher];
    return &streams[(size_t)subscriber * (size_t)settings->pubs + publisher];
}

static bool stamp_fits(const struct packet_stamp *stamp, uint32_t subscriber)
{
    return stamp->run == run_number && stamp->publisher < (uint32_t)settings->pubs &&
           (settings->mode != MODE_PAIRS || stamp->publisher == subscriber) &&
           stamp->number < publish_get(stamp->publisher)->next;
}

static bool topic_fits(struct net_conn *conn, const struct packet_delivery *d, uint32_t publisher)
{
    struct subscriber *subscriber = (struct subscriber *)conn;
    const struct publisher *p = publish_get(publisher);
    return check_topic(subscriber->aliases, d, publisher, p->topic, p->topic_size);
}

static void on_publish(struct net_conn *conn, const struct packet_frame *frame)
{
    struct packet_delivery d;
    struct packet_stamp stamp;
    if (!packet_read_publish(frame, settings->sub_v5, &d))
        net_broken(conn, "a malformed PUBLISH, or a property that was not published");
    if (d.id)
        net_reply((frame->head & 6) == 2 ? PACKET_PUBACK : PACKET_PUBREC, d.id);
    counts.misflagged += (frame->head & 15) != settings->qos << 1;
    counts.last_arrival = net_counts.read_time;
    bool good = d.payload_size == (size_t)settings->size;
    if (good)
        packet_stamp_get(&stamp, d.payload);
    if (!good || !stamp_fits(&stamp, conn->index) || !topic_fits(conn, &d, stamp.publisher)) {
        counts.misrouted++;
        return;
    }
    counts.outstanding -= check_arrival(stream_of(conn->index, stamp.publisher), stamp.number, &counts.totals);
}

static void on_packet(struct net_conn *conn, const struct packet_frame *frame)
{
    if ((frame->head & 0xf0) == PACKET_PUBLISH)
        on_publish(conn, frame);
    else if (frame->head == PACKET_PUBREL && packet_is_success(frame, settings->sub_v5))
        net_reply(PACKET_PUBCOMP, frame->body);
    else if (packet_is_granted(frame, settings->sub_v5, (int)settings->qos))
        counts.subscribed++;
    else
        net_broken(conn, "a packet that a subscriber does not expect, or a SUBACK that refuses");
}

static struct net_handler handler = {.kind = 's', .packet = on_packet};

static void topic_of(uint32_t publisher, char *topic)
{
    snprintf(topic, 100, "%s/%u/0", settings->prefix, publisher);
}

static void subscribe_all(void)
{
    char filter[100];
    uint8_t packet[PACKET_SUBSCRIBE_MAX];
    uint32_t subs = (uint32_t)settings->subs;
    handler.v5 = settings->sub_v5;
    handler.receive_max = settings->sub_v5 && settings->qos ? (uint16_t)settings->sub_window : 0;
    handler.alias_max = settings->sub_alias ? PACKET_ALIASES : 0;
    subscribers = fail_alloc(subs, sizeof subscribers[0]);
    net_open_all(subscribers, sizeof subscribers[0], 0, subs, &handler);
    for (uint32_t i = 0; i < subs; i++) {
        if (settings->mode == MODE_IN)
            snprintf(filter, sizeof filter, "%s/#", settings->prefix);
        else
            topic_of(settings->mode == MODE_PAIRS ? i : 0, filter);
        net_send(&subscribers[i].conn, packet, packet_subscribe(packet, filter, (int)settings->qos, settings->sub_v5));
        if (i % 64 == 63)
            net_wait(&counts.subscribed, i - 63, "SUBACK");
    }
    net_wait(&counts.subscribed, subs, "SUBACK");
}

/* ---- the pace ---- */

/* A nap in ns: see the head of this file. The rate is what was delivered per ns over the last 10 ms and more. */
static double nap_length(uint64_t now)
{
    static uint64_t since, received, bytes;
    static double rate, byte_rate;
    if (now - since > 10 * MS) {
        rate = (double)(counts.totals.received - received) / (double)(now - since);
        byte_rate = (double)(net_counts.received_bytes - bytes) / (double)(now - since);
        since = now;
        received = counts.totals.received;
        bytes = net_counts.received_bytes;
    }
    double at_hand = (double)counts.outstanding;
    double windows = (double)settings->sub_window * (double)settings->subs;
    if (settings->qos && at_hand > windows)
        at_hand = windows;
    if (rate <= 0 || byte_rate <= 0)
        return 0;
    double nap = at_hand / rate / 4, fill = SOCKET_BYTES * (double)settings->subs / byte_rate;
    nap = nap < fill ? nap : fill;
    return nap < (double)settings->nap * 1000 ? nap : (double)settings->nap * 1000;
}

static void nap(uint64_t now)
{
    double length = settings->nap ? nap_length(now) : 0;
    if (length < 50000)
        return; /* shorter than what a wake-up costs */
    struct timespec time = {.tv_nsec = (long)length};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static uint64_t pair_room(const struct publisher *publisher)
{
    uint64_t held = publisher->next - streams[publisher->conn.index].next;
    return held < (uint64_t)settings->queue ? (uint64_t)settings->queue - held : 0;
}

/* Messages that may be sent now: a burst at least, or what is left when half of the bound has come. */
static uint64_t room_now(void)
{
    uint64_t bound = (uint64_t)settings->outstanding, held = counts.outstanding;
    if (held == 0)
        return bound >= fan ? bound / fan : 1;
    if (settings->lock_step)
        return 0;
    uint64_t room = held < bound ? (bound - held) / fan : 0;
    return room >= (uint64_t)settings->burst || held <= bound / 2 ? room : 0;
}

static bool publish_now(uint64_t sent_max)
{
    struct publish_rules rules = {.sent_max = sent_max, .room = room_now()};
    if (settings->qos && settings->mode == MODE_PAIRS)
        rules.room_of = pair_room;
    uint64_t before = publish_counts.sent;
    bool more = publish_some(&rules);
    counts.outstanding += (publish_counts.sent - before) * fan;
    return more;
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool all_here(void)
{
    return publish_counts.in_flight == 0 && counts.totals.received == publish_counts.sent * fan;
}

static bool given_up(uint64_t quiet)
{
    bool jumped = publish_counts.in_flight == 0 && counts.outstanding == 0;
    return quiet > SILENCE_LOST || (jumped && quiet > SILENCE_JUMPED);
}

/* Publishes until `sent_max` or the time `end`, then waits for what is on its way. */
static void flow(uint64_t sent_max, uint64_t end)
{
    uint64_t now = probe_clock(), sent = publish_counts.sent, progress = now;
    bool sending = true;
    for (;;) {
        sending = sending && publish_counts.sent < sent_max && now < end && now - progress < SILENCE_STALL;
        bool more = sending && publish_now(sent_max);
        progress = later(progress, later(counts.last_arrival, publish_counts.last_answer));
        progress = sent == publish_counts.sent ? progress : now;
        sent = publish_counts.sent;
        if (!sending && (all_here() || given_up(now - progress)))
            return;
        if (!more)
            nap(now);
        net_turn(more ? 0 : 20);
        now = later(now, probe_clock());
    }
}

static void settle(void)
{
    for (uint64_t end = probe_clock() + SETTLE; probe_clock() < end;)
        net_turn(20);
}

/* ---- the whole run ---- */

static void report_run(struct report *report, const struct probe *a, const struct probe *b, uint64_t delivered)
{
    double seconds = (double)(later(counts.last_arrival, a->time + 1) - a->time) / 1e9;
    double per = delivered ? 1.0 / (double)delivered : 0;
    report_count(report, "published", publish_counts.sent);
    report_count(report, "expected", publish_counts.sent * fan);
    report_count(report, "received", counts.totals.received);
    report_count(report, "lost", publish_counts.sent * fan - counts.totals.received);
    report_count(report, "duplicated", counts.totals.duplicated);
    report_count(report, "reordered", counts.totals.reordered);
    report_count(report, "misrouted", counts.misrouted);
    report_count(report, "misflagged", counts.misflagged);
    report_count(report, "unanswered", publish_counts.in_flight);
    if (counts.totals.forgotten)
        report_count(report, "forgotten", counts.totals.forgotten);
    report_count(report, "measured", delivered);
    report_figure(report, "seconds", seconds);
    report_figure(report, "per_second", (double)delivered / seconds);
    if (settings->pid) {
        report_figure(report, "broker_cpu_us", (double)(b->broker_cpu - a->broker_cpu) / 1e3 * per);
        report_figure(report, "broker_cpu_percent", (double)(b->broker_cpu - a->broker_cpu) / 1e7 / seconds);
        report_count(report, "broker_rss", b->broker_rss);
    }
    report_figure(report, "load_cpu_us", (double)(b->own_cpu - a->own_cpu) / 1e3 * per);
}

static void close_all(void)
{
    size_t stream_count = (size_t)settings->pubs * (settings->mode == MODE_PAIRS ? 1 : (size_t)settings->subs);
    for (long i = 0; i < settings->subs; i++)
        net_close(&subscribers[i].conn);
    publish_close();
    for (size_t i = 0; i < stream_count; i++)
        check_fini(&streams[i]);
    free(subscribers);
    free(streams);
}

bool flow_run(const struct options *options, struct report *report)
{
    struct probe before, after;
    settings = options;
    run_number = (uint32_t)probe_clock() ^ (uint32_t)getpid() << 16;
    fan = options->mode == MODE_PAIRS ? 1 : (uint32_t)options->subs;
    streams = fail_alloc((size_t)options->pubs * (options->mode == MODE_PAIRS ? 1 : (size_t)options->subs),
                         sizeof streams[0]);
    net_init(options, (unsigned long)(options->pubs + options->subs), (unsigned long)(options->pubs + options->subs));
    subscribe_all();
    publish_open(options, run_number, topic_of);
    if (options->warmup)
        flow((uint64_t)options->warmup / fan + 1, UINT64_MAX);
    settle();
    uint64_t warm = counts.totals.received, sent = publish_counts.sent;
    probe_take(&before, options->pid);
    if (options->messages)
        flow(sent + (uint64_t)options->messages, UINT64_MAX);
    else
        flow(UINT64_MAX, before.time + (uint64_t)options->millis * MS);
    probe_take(&after, options->pid);
    settle();
    report_run(report, &before, &after, counts.totals.received - warm);
    bool good = all_here() && !counts.totals.duplicated && !counts.totals.reordered && !counts.misrouted &&
                !counts.misflagged && counts.totals.received > warm;
    close_all();
    return good;
}
