/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hostile.h"

#include <unistd.h>

#define BEAT_MAX 3.0 /* s of the broker's own time that a round trip of the pair may take */
#define AGES 600u    /* s */

unsigned world_draw(struct world *w, unsigned below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(w->random >> 33) % below;
}

long world_memory(const struct world *w)
{
    char path[64];
    long pages = 0;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)w->b.pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
        fail_msg("%s can't be read", path);
    fclose(f);
    return pages * sysconf(_SC_PAGESIZE);
}

void world_expect_growth(const struct world *w, long before, long most, const char *who)
{
    long growth = world_memory(w) - before;

    if (patience() == 1 && growth > most)
        fail_msg("%s made the broker grow by %ld KiB, more than %ld KiB", who, growth / 1024, most / 1024);
}

void world_beat(struct world *w)
{
    double before = broker_cpu(&w->b);

    peer_packet(w->sender, 0x32, "<beat/x> 0007 'still here'");
    peer_expect(w->sender, "40 02 0007");
    uint16_t id = peer_expect_publish(w->receiver, 2, "beat/x", "still here");
    peer_send(w->receiver, "40 02 %04x", id);
    double used = broker_cpu(&w->b) - before;
    if (used > BEAT_MAX * patience())
        fail_msg("the broker did %.1f s of other work before a message of the ordinary pair", used);
}

void world_expect_alone(struct world *w)
{
    broker_expect_sockets(&w->b, w->sockets);
    world_beat(w);
}

struct peer *world_arrive(struct world *w, unsigned kind)
{
    if (kind == 0)
        return peer_tcp(w->b.ports[0]);
    return kind == 1 ? peer_tls(w->b.ports[1], broker_path(&w->b, "certs/ca.crt"), 0)
                     : peer_unix(broker_path(&w->b, "socket"));
}

struct world *world_new(unsigned connect_timeout)
{
    struct world *w = calloc(1, sizeof *w);
    char config[1024];

    w->random = 1;
    broker_init(&w->b);
    broker_make_certs(&w->b, "certs");
    snprintf(config, sizeof config,
             TWO_LOOPS
             "[limits]\nconnect_timeout = %us\n"
             "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
             "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n" RSA_PAIR
             "[listener.local]\naddress = unix:@DIR@/socket\n",
             connect_timeout);
    broker_write(&w->b, "sotto.ini", config);
    broker_start(&w->b);
    w->sender = world_arrive(w, 1);
    peer_connect(w->sender, "sender", true, false);
    w->receiver = client(w->b.ports[0], "receiver");
    peer_subscribe(w->receiver, 1, "beat/+", 1);
    world_beat(w);
    w->sockets = broker_sockets(&w->b);
    return w;
}

void world_free(struct world *w)
{
    peer_disconnect(w->sender);
    peer_disconnect(w->receiver);
    broker_stop(&w->b);
    broker_fini(&w->b);
    free(w);
}

int world_setup(void **state)
{
    *state = world_new(AGES);
    return 0;
}

int world_teardown(void **state)
{
    world_free(*state);
    return 0;
}
