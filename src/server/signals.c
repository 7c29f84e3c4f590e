/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "signals.h"

#include <pthread.h>
#include <signal.h>

#include "sotto/base/log.h"

static const int heard[SIGNALS_N] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};

static sigset_t the_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (unsigned i = 0; i < SIGNALS_N; i++)
        sigaddset(&set, heard[i]);
    return set;
}

void signals_block(void)
{
    sigset_t set = the_set();
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void stop(struct signals *s, int number)
{
    log_event(LOG_INFO, "server.stop", LF_STR("signal", number == SIGINT ? "SIGINT" : "SIGTERM"));
    /* A second one finds the system's own way: it kills. */
    for (unsigned i = 0; i < s->open; i++) {
        if (heard[i] == SIGTERM || heard[i] == SIGINT)
            uv_signal_stop(&s->handles[i]);
    }
    s->calls.stop(s->ctx);
}

static void on_signal(uv_signal_t *h, int number)
{
    struct signals *s = h->data;
    switch (number) {
    case SIGHUP:
        log_event(LOG_INFO, "reload.start", LF_STR("signal", "SIGHUP"));
        s->calls.reload(s->ctx);
        break;
    case SIGUSR1:
        log_reopen();
        log_event(LOG_INFO, "log.reopened");
        s->calls.report(s->ctx);
        break;
    default:
        stop(s, number);
        break;
    }
}

int signals_start(struct signals *s, uv_loop_t *uv, const struct signal_calls *calls, void *ctx)
{
    *s = (struct signals){.calls = *calls, .ctx = ctx};
    for (unsigned i = 0; i < SIGNALS_N; i++) {
        int err = uv_signal_init(uv, &s->handles[i]);
        if (err != 0)
            return err;
        s->open = i + 1;
        s->handles[i].data = s;
        err = uv_signal_start(&s->handles[i], on_signal, heard[i]);
        if (err != 0)
            return err;
    }
    sigset_t set = the_set();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return 0;
}

void signals_close(struct signals *s)
{
    for (unsigned i = 0; i < s->open; i++)
        uv_close((uv_handle_t *)&s->handles[i], NULL);
    s->open = 0;
}
