/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whoever can open the socket is the broker's user or root, but is trusted no further than to ask: a few peers at a
 * time, one short line each, a bounded time. While all places are taken nothing is accepted, and what waits, waits in
 * the kernel.
 *
 * health: each loop is rung; it stores the number of the ring when it has looked at its inboxes (loop_wake, on_bell).
 * One timer, which runs only while there is a peer, looks whether all have, and ends what takes too long.
 */
#include "control.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control_socket.h"
#include "loop.h"
#include "listener.h"
#include "privileges.h"
#include "sotto/base/mem.h"
#include "sotto/server/control.h"

#define PEERS 8
#define LINE_MAX_BYTES 256 /* with its newline */
#define ANSWER_MAX 512
#define TICK_MS 20
#define HEALTH_MS 2000 /* for all loops to answer */
#define PEER_MS 5000   /* from the connection to the end of the answer */

struct peer {
    uv_pipe_t pipe;
    uv_write_t write;
    struct control *control;
    enum { PEER_FREE, PEER_READS, PEER_WAITS, PEER_WRITES, PEER_CLOSES } state;
    msec since;
    uint32_t ring; /* health: the number that the loops are to store */
    size_t n;
    char line[LINE_MAX_BYTES], answer[ANSWER_MAX];
};

struct control {
    struct server *server;
    struct control_socket socket;
    uv_poll_t acceptor;
    uv_timer_t timer;
    bool attached, closing, paused; /* paused: the system is out of descriptors */
    struct peer peers[PEERS];
};

static void accept_again(struct control *c);

/* ---------------------------------------------------------------- a peer's end */

static void on_closed(uv_handle_t *h)
{
    struct peer *p = h->data;
    p->state = PEER_FREE;
    if (!p->control->closing)
        accept_again(p->control);
}

static void end_peer(struct peer *p)
{
    if (p->state == PEER_FREE || p->state == PEER_CLOSES)
        return;
    p->state = PEER_CLOSES;
    uv_close((uv_handle_t *)&p->pipe, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
    (void)status;
    end_peer(w->data);
}

static void answer(struct peer *p, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void answer(struct peer *p, bool ok, const char *format, ...)
{
    char text[ANSWER_MAX - 16];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    int n = snprintf(p->answer, sizeof(p->answer), "%s %s\n", ok ? "ok" : "failed", text);
    uv_buf_t out = uv_buf_init(p->answer, (unsigned)n);
    uv_read_stop((uv_stream_t *)&p->pipe);
    p->state = PEER_WRITES;
    p->write.data = p;
    if (uv_write(&p->write, (uv_stream_t *)&p->pipe, &out, 1, on_written) != 0)
        end_peer(p);
}

/* ---------------------------------------------------------------- commands */

/* "loop 1, loop 3": those that have not answered yet; their number. */
static unsigned silent_loops(const struct peer *p, char *out, size_t cap)
{
    const struct server *s = p->control->server;
    unsigned silent = 0;
    size_t n = 0;
    out[0] = '\0';
    for (unsigned i = 0; i < s->loops_n; i++) {
        if ((int32_t)(atomic_load(&s->loops[i].pulse) - p->ring) >= 0)
            continue;
        silent++;
        if (n < cap)
            n += (size_t)snprintf(out + n, cap - n, "%sloop %u", n > 0 ? ", " : "", i);
    }
    return silent;
}

static void look_at_health(struct peer *p, msec now)
{
    const struct server *s = p->control->server;
    char silent[128];
    unsigned expected = 0, listening = atomic_load(&s->listening);
    if (silent_loops(p, silent, sizeof(silent)) > 0) {
        if (now - p->since >= HEALTH_MS)
            answer(p, false, "the broker hangs: no answer within %u ms from %s", HEALTH_MS, silent);
        return;
    }
    for (size_t i = 0; i < s->listeners_n; i++)
        expected += s->listeners[i].fds_n;
    if (atomic_load(&s->stopping))
        answer(p, false, "the broker is stopping");
    else if (listening != expected)
        answer(p, false, "the broker listens on %u of %u sockets; see its log", listening, expected);
    else
        answer(p, true, "%u loops turn, %zu listeners are open, %u connections", s->loops_n, s->listeners_n,
               atomic_load(&s->connections));
}

static void health(struct peer *p, const char *arguments)
{
    struct server *s = p->control->server;
    if (arguments[0] != '\0') {
        answer(p, false, "health takes no argument");
        return;
    }
    p->ring = atomic_fetch_add(&s->ring, 1) + 1;
    p->state = PEER_WAITS;
    for (unsigned i = 0; i < s->loops_n; i++)
        loop_wake(&s->loops[i]);
}

static const struct {
    const char *name;
    void (*run)(struct peer *p, const char *arguments); /* answers now, or later from the timer */
} commands[] = {{"health", health}};

static void obey(struct peer *p)
{
    size_t name = strcspn(p->line, " ");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strlen(commands[i].name) == name && memcmp(commands[i].name, p->line, name) == 0) {
            commands[i].run(p, p->line + name + (p->line[name] == ' '));
            return;
        }
    }
    answer(p, false, "this broker has no such command; is it older than the program that asks?");
}

/* ---------------------------------------------------------------- reading */

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct peer *p = h->data;
    (void)suggested;
    *buf = uv_buf_init(p->line + p->n, (unsigned)(sizeof(p->line) - p->n));
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer *p = stream->data;
    (void)buf;
    if (n == 0)
        return;
    if (n < 0) {
        end_peer(p);
        return;
    }
    p->n += (size_t)n;
    char *end = memchr(p->line, '\n', p->n);
    if (end == NULL && p->n == sizeof(p->line)) {
        answer(p, false, "a request has %d bytes at most", LINE_MAX_BYTES - 1);
    } else if (end != NULL && memchr(p->line, '\0', (size_t)(end - p->line)) != NULL) {
        answer(p, false, "a request is text");
    } else if (end != NULL) {
        *end = '\0';
        uv_read_stop(stream);
        obey(p);
    }
}

/* ---------------------------------------------------------------- accepting */

static void on_tick(uv_timer_t *t)
{
    struct control *c = t->data;
    msec now = uv_now(t->loop);
    bool busy = false;
    for (unsigned i = 0; i < PEERS; i++) {
        struct peer *p = &c->peers[i];
        if (p->state == PEER_WAITS)
            look_at_health(p, now);
        if (p->state != PEER_FREE && now - p->since >= PEER_MS)
            end_peer(p);
        busy |= p->state != PEER_FREE;
    }
    if (c->paused)
        accept_again(c);
    if (!busy && !c->paused)
        uv_timer_stop(t);
}

static void begin(struct control *c, struct peer *p, int fd)
{
    uv_loop_t *uv = c->timer.loop;
    *p = (struct peer){.control = c, .state = PEER_READS, .since = uv_now(uv)};
    uv_pipe_init(uv, &p->pipe, 0);
    p->pipe.data = p;
    if (uv_pipe_open(&p->pipe, fd) != 0) {
        close(fd);
        end_peer(p);
    } else if (uv_read_start((uv_stream_t *)&p->pipe, on_room, on_bytes) != 0) {
        end_peer(p);
    }
}

static struct peer *free_peer(struct control *c)
{
    for (unsigned i = 0; i < PEERS; i++) {
        if (c->peers[i].state == PEER_FREE)
            return &c->peers[i];
    }
    return NULL;
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct control *c = poll->data;
    struct peer *p = free_peer(c);
    (void)events;
    int fd = p != NULL && status == 0 ? accept4(c->socket.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC) : -1;
    if (fd >= 0) {
        begin(c, p, fd);
    } else if (p == NULL) {
        uv_poll_stop(poll); /* until a place is free */
        return;
    } else if (status != 0 || (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)) {
        uv_poll_stop(poll); /* until the next tick: what waits would wake us at once */
        c->paused = true;
    }
    if (!uv_is_active((uv_handle_t *)&c->timer))
        uv_timer_start(&c->timer, on_tick, TICK_MS, TICK_MS);
}

static void accept_again(struct control *c)
{
    c->paused = false;
    uv_poll_start(&c->acceptor, UV_READABLE, on_acceptable);
}

/* ---------------------------------------------------------------- life */

struct control *control_new(struct server *s, const struct privileges *p, bool *fatal, char *err, size_t err_cap)
{
    struct control *c = mem_alloc(sizeof(*c));
    c->server = s;
    enum control_listened listened = control_socket_listen(&c->socket, s->config->data_dir, err, err_cap);
    *fatal = listened == CONTROL_IN_USE;
    if (listened != CONTROL_LISTENS) {
        if (!*fatal)
            log_event(LOG_WARN, "control.unavailable", LF_STR("reason", err),
                      LF_STR("hint", "without it `sotto health` has nobody to ask"));
        mem_free(c);
        return NULL;
    }
    if (p->drop && lchown(c->socket.path, p->uid, p->gid) != 0)
        log_event(LOG_WARN, "control.owner", LF_STR("path", c->socket.path), LF_STR("reason", strerror(errno)));
    return c;
}

int control_attach(struct control *c)
{
    if (c == NULL)
        return 0;
    uv_loop_t *uv = &c->server->loops[0].uv;
    int err = uv_poll_init(uv, &c->acceptor, c->socket.fd);
    if (err != 0)
        return err;
    uv_timer_init(uv, &c->timer);
    c->acceptor.data = c->timer.data = c;
    c->attached = true;
    accept_again(c);
    return 0;
}

void control_close(struct control *c)
{
    if (c == NULL || !c->attached)
        return;
    c->closing = true;
    for (unsigned i = 0; i < PEERS; i++)
        end_peer(&c->peers[i]);
    uv_close((uv_handle_t *)&c->acceptor, NULL);
    uv_close((uv_handle_t *)&c->timer, NULL);
}

void control_free(struct control *c)
{
    if (c == NULL)
        return;
    control_socket_close(&c->socket);
    mem_free(c);
}
