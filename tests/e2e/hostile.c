/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "hostile.h"

#include <time.h>
#include <unistd.h>

#define BEAT_MAX 3.0 /* s a round trip of the pair may take, on a machine that does other things as well */

unsigned world_draw(struct world *w, unsigned below)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(w->random >> 33) % below;
}

double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void pause_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
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
    double before = seconds_now();

    peer_packet(w->sender, 0x32, "<beat/x> 0007 'still here'");
    peer_expect(w->sender, "40 02 0007");
    uint16_t id = peer_expect_publish(w->receiver, 2, "beat/x", "still here");
    peer_send(w->receiver, "40 02 %04x", id);
    if (seconds_now() - before > BEAT_MAX * patience())
        fail_msg("a message of the ordinary pair took %.1f s", seconds_now() - before);
}

void world_expect_alone(struct world *w)
{
    for (unsigned ms = 0; ms < 10000 * patience(); ms += 20) {
        if (broker_open_files(&w->b) <= w->files) {
            world_beat(w);
            return;
        }
        pause_ms(20);
    }
    fail_msg("%u files are open where %u were", broker_open_files(&w->b), w->files);
}

struct peer *world_arrive(struct world *w, unsigned kind)
{
    if (kind == 0)
        return peer_tcp(w->b.ports[0]);
    return kind == 1 ? peer_tls(w->b.ports[1], broker_path(&w->b, "certs/ca.crt"), 0)
                     : peer_unix(broker_path(&w->b, "socket"));
}

int world_setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    struct program init;

    *state = w;
    w->random = 1;
    broker_init(&w->b);
    program_run(&init, 0, NULL, ARGV(sotto_bin(), "cert", "init", broker_path(&w->b, "certs")));
    program_fini(&init);
    broker_write(&w->b, "sotto.ini",
                 "[broker]\nthreads = 2\ndata_dir = @DIR@/data\n[auth]\nanonymous = on\n"
                 "[limits]\nconnect_timeout = 4s\n"
                 "[listener.plain]\naddress = 127.0.0.1\nport = @P0@\n"
                 "[listener.tls]\naddress = 127.0.0.1\nport = @P1@\ntls = on\n"
                 "cert = certs/server.crt\nkey = certs/server.key\n"
                 "[listener.local]\naddress = unix:@DIR@/socket\n");
    broker_start(&w->b);
    w->sender = world_arrive(w, 1);
    peer_connect(w->sender, "sender", true, false);
    w->receiver = client(w->b.ports[0], "receiver");
    peer_subscribe(w->receiver, 1, "beat/+", 1);
    world_beat(w);
    pause_ms(100); /* what waited for the ports is gone */
    w->files = broker_open_files(&w->b);
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;

    peer_disconnect(w->sender);
    peer_disconnect(w->receiver);
    broker_stop(&w->b);
    broker_fini(&w->b);
    free(w);
    return 0;
}
