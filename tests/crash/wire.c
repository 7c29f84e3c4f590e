/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "crash.h"

#define BODY 512

/* ---------------------------------------------------------------- connections */

void wire_init(struct wire *w, bool v5)
{
    memset(w, 0, sizeof(*w));
    w->fd = -1;
    w->v5 = v5;
}

bool wire_open(struct wire *w, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return false;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, O_NONBLOCK);
    w->fd = fd;
    w->in_n = w->out_n = 0;
    return true;
}

void wire_close(struct wire *w, bool torn)
{
    struct linger none = {.l_onoff = 1};
    if (w->fd < 0)
        return;
    if (torn)
        setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    close(w->fd);
    w->fd = -1;
    w->in_n = w->out_n = 0;
}

static bool again(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

bool wire_turn(struct wire *w)
{
    bool over = false;
    while (w->out_n > 0 && !over) {
        ssize_t n = send(w->fd, w->out, w->out_n, MSG_NOSIGNAL);
        if (again(n))
            break;
        over = n < 0;
        if (!over)
            memmove(w->out, w->out + n, w->out_n - (size_t)n);
        w->out_n -= over ? 0 : (size_t)n;
    }
    /* What came before the end counts. */
    ssize_t n = w->in_n < sizeof(w->in) ? recv(w->fd, w->in + w->in_n, sizeof(w->in) - w->in_n, 0) : 1;
    if (n > 0 && w->in_n < sizeof(w->in))
        w->in_n += (size_t)n;
    return n > 0 || (again(n) && !over);
}

/* ---------------------------------------------------------------- reading */

bool wire_next(struct wire *w, size_t *at, struct packet *p)
{
    size_t i = *at + 1, n = 0;
    for (unsigned shift = 0;; shift += 7) {
        if (i >= w->in_n)
            return false;
        n |= (size_t)(w->in[i] & 127) << shift;
        if (w->in[i++] < 128)
            break;
    }
    if (n > w->in_n - i)
        return false;
    *p = (struct packet){.first = w->in[*at], .p = w->in + i, .end = w->in + i + n};
    *at = i + n;
    return true;
}

void wire_done(struct wire *w, size_t at)
{
    memmove(w->in, w->in + at, w->in_n - at);
    w->in_n -= at;
}

uint8_t get_8(struct packet *p)
{
    return p->p < p->end ? *p->p++ : 0;
}

uint16_t get_16(struct packet *p)
{
    uint16_t high = get_8(p);
    return (uint16_t)(high << 8 | get_8(p));
}

void get_properties(struct packet *p)
{
    size_t n = 0;
    uint8_t b;
    unsigned shift = 0;
    do {
        b = get_8(p);
        n |= (size_t)(b & 127) << shift;
        shift += 7;
    } while (b >= 128);
    p->p = n <= (size_t)(p->end - p->p) ? p->p + n : p->end;
}

/* ---------------------------------------------------------------- writing */

struct body {
    size_t n;
    uint8_t b[BODY];
};

static void put_8(struct body *b, unsigned v)
{
    b->b[b->n++] = (uint8_t)v;
}

static void put_16(struct body *b, unsigned v)
{
    put_8(b, v >> 8);
    put_8(b, v & 255);
}

static void put_text(struct body *b, const char *text)
{
    put_16(b, (unsigned)strlen(text));
    memcpy(b->b + b->n, text, strlen(text));
    b->n += strlen(text);
}

static void out(struct wire *w, const void *data, size_t n)
{
    if (w->out_n + n > w->out_cap) {
        w->out_cap = 2 * (w->out_n + n);
        w->out = realloc(w->out, w->out_cap);
    }
    memcpy(w->out + w->out_n, data, n);
    w->out_n += n;
}

static void out_packet(struct wire *w, uint8_t first, const struct body *b)
{
    uint8_t head[3] = {first, (uint8_t)b->n};
    if (b->n >= 128) {
        head[1] = (uint8_t)(b->n & 127) | 128;
        head[2] = (uint8_t)(b->n >> 7);
    }
    out(w, head, b->n >= 128 ? 3 : 2);
    out(w, b->b, b->n);
}

void send_connect(struct wire *w, const char *id, bool clean, uint16_t receive_maximum)
{
    struct body b = {0};
    put_text(&b, "MQTT");
    put_8(&b, w->v5 ? 5 : 4);
    put_8(&b, clean ? 2 : 0);
    put_16(&b, 0);
    if (w->v5) {
        put_8(&b, 8);
        put_8(&b, 0x11); /* session expiry: a day, or with the connection */
        put_16(&b, clean ? 0 : 1);
        put_16(&b, clean ? 0 : 20864);
        put_8(&b, 0x21);
        put_16(&b, receive_maximum);
    }
    put_text(&b, id);
    out_packet(w, 0x10, &b);
}

void send_subscribe(struct wire *w, uint16_t id, const char *filter, uint8_t qos)
{
    struct body b = {0};
    put_16(&b, id);
    if (w->v5)
        put_8(&b, 0);
    put_text(&b, filter);
    put_8(&b, qos);
    out_packet(w, 0x82, &b);
}

void send_publish(struct wire *w, uint8_t flags, const char *topic, uint16_t id, const char *payload)
{
    struct body b = {0};
    put_text(&b, topic);
    put_16(&b, id);
    if (w->v5)
        put_8(&b, 0);
    memcpy(b.b + b.n, payload, strlen(payload));
    b.n += strlen(payload);
    out_packet(w, 0x30 | flags, &b);
}

void send_ack(struct wire *w, uint8_t first, uint16_t id)
{
    struct body b = {0};
    put_16(&b, id);
    out_packet(w, first, &b);
}

void send_disconnect(struct wire *w)
{
    out_packet(w, 0xe0, &(struct body){0});
}
