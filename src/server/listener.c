/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Opening and closing of listeners. One socket per loop with SO_REUSEPORT, so that the kernel deals connections out.
 * With that option a second broker of the same user could bind the same port and silently take half of the clients;
 * so a socket without it is bound first and finds out whether the address is in use.
 */
#include "listener.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sotto/base/mem.h"
#include "sotto/transport/transport.h"

#define BACKLOG 4096
#define LOCAL_PREFIX "unix:"

struct where {
    const char *text; /* as configured */
    uint16_t port;
    char *err;
    size_t err_cap;
};

static int complain(const struct where *w, const char *what, const char *why, const char *remedy)
{
    if (w->port != 0)
        snprintf(w->err, w->err_cap, "%s %s port %u: %s%s%s", what, w->text, (unsigned)w->port, why,
                 remedy != NULL ? "; " : "", remedy != NULL ? remedy : "");
    else
        snprintf(w->err, w->err_cap, "%s %s: %s%s%s", what, w->text, why, remedy != NULL ? "; " : "",
                 remedy != NULL ? remedy : "");
    return -1;
}

static int bind_failed(const struct where *w, int error)
{
    const char *remedy = NULL;
    if (error == EADDRINUSE)
        remedy = "another program listens there: stop it, or choose another port";
    else if (error == EACCES)
        remedy = "ports below 1024 need root or CAP_NET_BIND_SERVICE";
    else if (error == EADDRNOTAVAIL)
        remedy = "no interface of this machine has this address: see `ip address`";
    else if (error == EAFNOSUPPORT)
        remedy = "this system does not have this address family (IPv6?): choose another address";
    return complain(w, "can't listen on", strerror(error), remedy);
}

/* ---------------------------------------------------------------- TCP */

static bool set_on(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) == 0;
}

/* A bound socket, or -1 with errno. */
static int bound(const struct addrinfo *a, bool shared)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    bool ok = set_on(fd, SOL_SOCKET, SO_REUSEADDR, 1) && (!shared || set_on(fd, SOL_SOCKET, SO_REUSEPORT, 1));
    /* "::" means everything, IPv4 too, whatever the system's default is. */
    if (ok && a->ai_family == AF_INET6)
        ok = set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    transport_tune_listener(fd);
    if (ok && bind(fd, a->ai_addr, a->ai_addrlen) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool listening(int fd)
{
    return fd >= 0 && listen(fd, BACKLOG) == 0;
}

/* What another one holds shows when we listen, too: two may be bound while neither listens. */
static bool is_free(const struct addrinfo *a)
{
    int fd = bound(a, false);
    bool ok = listening(fd);
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return ok;
}

static int open_tcp(struct listener *l, const struct where *w, const struct addrinfo *a, unsigned loops)
{
    if (loops > 1 && !is_free(a))
        return bind_failed(w, errno);
    for (unsigned i = 0; i < loops; i++) {
        l->fds[i] = bound(a, loops > 1);
        if (l->fds[i] < 0)
            return bind_failed(w, errno);
        l->fds_n = i + 1;
        if (!listening(l->fds[i]))
            return bind_failed(w, errno);
    }
    return 0;
}

static int open_address(struct listener *l, const struct where *w, unsigned loops)
{
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)w->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(w->text, port, &hints, &found);
    if (rc != 0)
        return complain(w, "can't listen on", rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc),
                        "address takes an address of this machine, ::, or unix:/path");
    rc = open_tcp(l, w, found, loops);
    freeaddrinfo(found);
    return rc;
}

/* ---------------------------------------------------------------- unix sockets */

static bool somebody_listens(const struct sockaddr_un *a)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return true;
    bool yes = connect(fd, (const struct sockaddr *)a, sizeof(*a)) == 0 || errno != ECONNREFUSED;
    close(fd);
    return yes;
}

/* A socket's file that a broker left behind is taken away; anything else in its place is not ours. */
static int clear_path(const struct where *w, const struct sockaddr_un *a)
{
    struct stat st;
    if (lstat(a->sun_path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return complain(w, "can't listen on", "a file that is no socket is there", "remove it, or choose another path");
    if (somebody_listens(a))
        return bind_failed(w, EADDRINUSE);
    if (unlink(a->sun_path) != 0)
        return complain(w, "can't remove the stale socket", strerror(errno), "remove it by hand");
    return 0;
}

static int open_local(struct listener *l, const struct where *w)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const char *path = w->text + strlen(LOCAL_PREFIX);
    if (path[0] == '\0' || strlen(path) >= sizeof(a.sun_path))
        return complain(w, "can't listen on", "the path is empty or longer than a socket's may be (107 bytes)", NULL);
    memcpy(a.sun_path, path, strlen(path) + 1);
    if (clear_path(w, &a) != 0)
        return -1;
    l->fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fds[0] < 0)
        return bind_failed(w, errno);
    l->fds_n = 1;
    /* Nobody can connect before we listen, so there is no moment in which the mode is wrong. */
    if (bind(l->fds[0], (struct sockaddr *)&a, sizeof(a)) != 0)
        return complain(w, "can't listen on", strerror(errno), "see that its folder exists and may be written to");
    struct stat st;
    if (chmod(path, 0660) != 0 || stat(path, &st) != 0 || !listening(l->fds[0])) {
        int error = errno;
        unlink(path);
        return bind_failed(w, error);
    }
    l->file_device = st.st_dev;
    l->file_number = st.st_ino;
    return 0;
}

static void remove_file(const struct listener *l)
{
    const char *path = l->config->address + strlen(LOCAL_PREFIX);
    struct stat st;
    if (l->file_number != 0 && lstat(path, &st) == 0 && st.st_dev == l->file_device && st.st_ino == l->file_number)
        unlink(path);
}

/* ---------------------------------------------------------------- */

int listener_open(struct listener *l, const struct config_listener *c, unsigned loops, char *err, size_t err_cap)
{
    *l = (struct listener){.config = c};
    l->local = strncmp(c->address, LOCAL_PREFIX, strlen(LOCAL_PREFIX)) == 0;
    l->port = c->port != 0 || l->local ? c->port : c->tls ? 8883 : 1883;
    l->origin = (struct client_origin){.listener = c->name, .anonymous = c->anonymous, .versions = c->versions};
    l->fds = mem_alloc(loops * sizeof(*l->fds));
    struct where w = {.text = c->address, .port = l->local ? 0 : l->port, .err = err, .err_cap = err_cap};
    return l->local ? open_local(l, &w) : open_address(l, &w, loops);
}

void listener_close(struct listener *l)
{
    for (unsigned i = 0; i < l->fds_n; i++) {
        if (l->fds[i] >= 0)
            close(l->fds[i]);
    }
    mem_free(l->fds);
    if (l->local)
        remove_file(l);
    *l = (struct listener){.config = l->config};
}
