/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "ticket_keys.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sotto/base/log.h"
#include "sotto/base/mem.h"

#define FILE_NAME "tickets.keys"
#define LOOK_EVERY_MS (10 * 60 * 1000u)
#define LINE 1024

struct ticket_keys {
    struct tls_tickets *ring;
    char *path;
    bool attached, working;
    uv_timer_t timer;
    uv_work_t work;
    char err[LINE]; /* of the work */
};

static uint32_t longest_lifetime(const struct config *c)
{
    uint32_t longest = 0;
    for (size_t i = 0; i < c->listeners_n; i++)
        if (c->listeners[i].tls && c->listeners[i].ticket_lifetime > longest)
            longest = c->listeners[i].ticket_lifetime;
    return longest;
}

struct ticket_keys *ticket_keys_new(const struct config *config)
{
    uint32_t lifetime = longest_lifetime(config);
    if (lifetime == 0)
        return NULL;
    struct ticket_keys *k = mem_alloc(sizeof(*k));
    size_t n = strlen(config->data_dir) + sizeof("/" FILE_NAME);
    k->ring = tls_tickets_new(lifetime);
    k->path = mem_alloc(n);
    snprintf(k->path, n, "%s/%s", config->data_dir, FILE_NAME);
    return k;
}

struct tls_tickets *ticket_keys_ring(struct ticket_keys *k)
{
    return k != NULL ? k->ring : NULL;
}

static void complain(const char *err)
{
    log_event(LOG_WARN, "tls.tickets", LF_STR("reason", err),
              LF_STR("hint", "let the broker's user write to its data_dir"));
}

static void rotate(uv_work_t *work)
{
    struct ticket_keys *k = work->data;
    k->err[0] = '\0';
    (void)tls_tickets_rotate(k->ring, (uint64_t)time(NULL), k->err, sizeof(k->err));
}

static void rotated(uv_work_t *work, int status)
{
    struct ticket_keys *k = work->data;
    k->working = false;
    if (status == 0 && k->err[0] != '\0')
        complain(k->err);
}

/* Writing takes its time: not on the loop. */
static void on_look(uv_timer_t *timer)
{
    struct ticket_keys *k = timer->data;
    if (!k->working)
        k->working = uv_queue_work(timer->loop, &k->work, rotate, rotated) == 0;
}

int ticket_keys_attach(struct ticket_keys *k, uv_loop_t *uv)
{
    if (k == NULL)
        return 0;
    if (!tls_tickets_open(k->ring, k->path, (uint64_t)time(NULL), k->err, sizeof(k->err)))
        complain(k->err);
    uv_timer_init(uv, &k->timer);
    k->timer.data = k->work.data = k;
    k->attached = true;
    return uv_timer_start(&k->timer, on_look, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

void ticket_keys_close(struct ticket_keys *k)
{
    if (k != NULL && k->attached)
        uv_close((uv_handle_t *)&k->timer, NULL);
}

void ticket_keys_free(struct ticket_keys *k)
{
    if (k == NULL)
        return;
    tls_tickets_free(k->ring);
    mem_free(k->path);
    mem_free(k);
}
