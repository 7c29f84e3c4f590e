/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "publish.h"

#define WRITE_SIZE (256u << 10)
#define TURN_SIZE (1u << 20) /* then input is looked at again */

struct publish_counts publish_counts;

static const struct options *settings;
static struct publisher *publishers;
static uint32_t count, cursor, burst_max, run_number;
static uint8_t *output;

static void end_flight(struct publisher *publisher, unsigned id)
{
    publisher->awaited[id] = 0;
    publisher->free_ids[publisher->free_count++] = (uint16_t)id;
    publish_counts.in_flight--;
}

static void on_packet(struct net_conn *conn, const struct packet_frame *frame)
{
    struct publisher *publisher = (struct publisher *)conn;
    if (settings->qos == 0 || !packet_is_success(frame, settings->pub_v5))
        net_broken(conn, "a packet that a publisher does not expect");
    unsigned id = (unsigned)frame->body[0] << 8 | frame->body[1];
    if (id == 0 || id > (unsigned)settings->window || publisher->awaited[id] != frame->head)
        net_broken(conn, "an acknowledgement out of place");
    publish_counts.last_answer = net_counts.read_time;
    if (frame->head == PACKET_PUBREC) {
        publisher->awaited[id] = PACKET_PUBCOMP;
        net_reply(PACKET_PUBREL, frame->body);
    } else {
        end_flight(publisher, id);
    }
}

static struct net_handler handler = {.kind = 'p', .packet = on_packet};

static void prepare(struct publisher *publisher, const char *topic)
{
    uint32_t window = (uint32_t)settings->window;
    struct packet_model model = {.topic = topic,
                                 .v5 = settings->pub_v5,
                                 .alias = settings->pub_alias ? 1 : 0,
                                 .qos = (int)settings->qos,
                                 .payload = (size_t)settings->size};
    if (settings->pub_alias && !publisher->conn.terms.alias_max)
        fail(FAIL_USAGE, "--alias: the broker takes no topic aliases");
    publisher->topic = strdup(topic);
    if (!publisher->topic)
        fail(FAIL_CONNECTION, "out of memory");
    publisher->topic_size = strlen(topic);
    publisher->first = fail_alloc(1, packet_publish_max(&model));
    publisher->packet = fail_alloc(1, packet_publish_max(&model));
    packet_publish(publisher->first, &model, &publisher->first_made);
    if (settings->pub_alias)
        model.topic = "";
    packet_publish(publisher->packet, &model, &publisher->made);
    if (window > publisher->conn.terms.receive_max)
        window = publisher->conn.terms.receive_max;
    publisher->free_ids = fail_alloc(window, sizeof publisher->free_ids[0]);
    publisher->awaited = fail_alloc((size_t)settings->window + 1, 1);
    for (uint32_t i = 0; i < window; i++)
        publisher->free_ids[i] = (uint16_t)(window - i);
    publisher->free_count = window;
}

void publish_open(const struct options *options, uint32_t run, void (*topic_of)(uint32_t index, char *topic))
{
    char topic[100];
    settings = options;
    handler.v5 = options->pub_v5;
    run_number = run;
    count = (uint32_t)options->pubs;
    publishers = fail_alloc(count, sizeof publishers[0]);
    net_open_all(publishers, sizeof publishers[0], 0, count, &handler);
    for (uint32_t i = 0; i < count; i++) {
        topic_of(i, topic);
        prepare(&publishers[i], topic);
    }
    struct packet_model largest = {.topic = topic, .payload = (size_t)options->size};
    size_t packet = packet_publish_max(&largest) + 8;
    burst_max = (uint32_t)(WRITE_SIZE / packet);
    burst_max = burst_max < 1 ? 1 : burst_max;
    burst_max = burst_max > options->burst ? (uint32_t)options->burst : burst_max;
    output = fail_alloc(burst_max, packet);
}

static size_t send_burst(struct publisher *publisher, uint32_t messages)
{
    const struct packet_publish *made = &publisher->made;
    struct packet_stamp stamp = {run_number, publisher->conn.index, publisher->next};
    uint8_t *at = output;
    for (uint32_t i = 0; i < messages; i++, stamp.number++, at += made->size) {
        made = stamp.number ? &publisher->made : &publisher->first_made;
        memcpy(at, stamp.number ? publisher->packet : publisher->first, made->size);
        packet_stamp_put(at + made->payload_at, &stamp);
        if (!made->id_at)
            continue;
        unsigned id = publisher->free_ids[--publisher->free_count];
        at[made->id_at] = (uint8_t)(id >> 8);
        at[made->id_at + 1] = (uint8_t)id;
        publisher->awaited[id] = settings->qos == 1 ? PACKET_PUBACK : PACKET_PUBREC;
    }
    publisher->next = stamp.number;
    publish_counts.sent += messages;
    publish_counts.in_flight += made->id_at ? messages : 0;
    net_send(&publisher->conn, output, (size_t)(at - output));
    return (size_t)(at - output);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool publish_some(const struct publish_rules *rules)
{
    uint64_t room = least(rules->room, rules->sent_max - publish_counts.sent);
    size_t bytes = 0;
    for (uint32_t waiting = 0; waiting < count && room;) {
        struct publisher *publisher = &publishers[cursor];
        cursor = cursor + 1 == count ? 0 : cursor + 1;
        uint64_t messages = least(room, burst_max);
        if (settings->qos)
            messages = least(messages, publisher->free_count);
        if (rules->room_of)
            messages = least(messages, rules->room_of(publisher));
        if (!messages || net_blocked(&publisher->conn)) {
            waiting++;
            continue;
        }
        waiting = 0;
        room -= messages;
        bytes += send_burst(publisher, (uint32_t)messages);
        if (bytes > TURN_SIZE)
            return true;
    }
    return false;
}

const struct publisher *publish_get(uint32_t index)
{
    return &publishers[index];
}

void publish_close(void)
{
    for (uint32_t i = 0; i < count; i++) {
        net_close(&publishers[i].conn);
        free(publishers[i].topic);
        free(publishers[i].first);
        free(publishers[i].packet);
        free(publishers[i].free_ids);
        free(publishers[i].awaited);
    }
    free(publishers);
    free(output);
}
