/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Closing so that our last word arrives. A client whose certificate is refused in the middle of a handshake is still
 * sending: bytes that come to a closed socket make the kernel answer with a reset, and the client, whose next write
 * fails, never reads the alert that says why (mbedTLS on an ESP32 then reports "connection reset by peer"). So our side
 * alone is closed at first, and what comes is thrown away until the peer has closed its own: for a second at most, and
 * not without end.
 *
 * The TLS state, which is large, goes in the first turn, not with the socket: it may be in use up the stack now.
 */
#include "transport_private.h"

#include <assert.h>
#include <sys/socket.h>

#include "sotto/base/mem.h"

#define PATIENCE_MS 1000
#define BYTES_MOST ((size_t)256 * 1024)

struct farewell {
    uv_timer_t timer; /* first: freed as the handle that it is */
    struct transport *t;
    uv_close_cb closed;
    size_t left; /* bytes that are still taken */
};

static void free_timer(uv_handle_t *h)
{
    mem_free(h);
}

static void end(struct farewell *f)
{
    struct transport *t = f->t;
    t->handle->data = t;
    uv_close((uv_handle_t *)t->handle, f->closed);
    uv_close((uv_handle_t *)&f->timer, free_timer);
}

/* At once, and when patience is over. */
static void on_timer(uv_timer_t *timer)
{
    struct farewell *f = timer->data;
    if (f->t->tls == NULL) {
        end(f);
        return;
    }
    tls_free(f->t->tls, f->t->loop->pool);
    f->t->tls = NULL;
}

static void give_room(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct farewell *f = h->data;
    *buf = uv_buf_init((char *)f->t->loop->read_buf, (unsigned)f->t->loop->read_cap);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    (void)buf;
    struct farewell *f = stream->data;
    if (n < 0 || (size_t)n >= f->left)
        end(f);
    else
        f->left -= (size_t)n;
}

bool farewell_begin(struct transport *t, uv_close_cb closed)
{
    uv_os_fd_t fd;
    assert(t->closing && t->tls != NULL);
    if (t->writing != NULL || stream_peer_left(t) || uv_fileno((uv_handle_t *)t->handle, &fd) != 0)
        return false;
    struct farewell *f = mem_try_alloc(sizeof(*f));
    if (f == NULL)
        return false;
    f->t = t;
    f->closed = closed;
    f->left = BYTES_MOST;
    if (shutdown(fd, SHUT_WR) != 0 || uv_read_start(t->handle, give_room, on_read) != 0) {
        mem_free(f);
        return false;
    }
    uv_timer_init(t->loop->uv, &f->timer);
    f->timer.data = f;
    t->handle->data = f;
    uv_timer_start(&f->timer, on_timer, 0, PATIENCE_MS);
    return true;
}
