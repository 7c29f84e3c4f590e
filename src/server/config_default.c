/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * No configuration at all. Private by default: loopback only, so that letting local clients in without a password gives
 * nothing to the network.
 */
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config_schema.h"
#include "sotto/base/mem.h"
#include "sotto/codec/packet.h"

static char *join(const char *folder, const char *name)
{
    size_t n = strlen(folder) + 1 + strlen(name) + 1;
    char *path = mem_alloc(n);
    snprintf(path, n, "%s/%s", folder, name);
    return path;
}

/* SOTTO_DATA; else /var/lib/sotto for root, and the user's own data folder for others. */
static char *data_folder(void)
{
    const char *data = getenv("SOTTO_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data != NULL && data[0] != '\0')
        return mem_strndup(data, strlen(data));
    if (geteuid() == 0)
        return mem_strndup("/var/lib/sotto", 14);
    if (xdg != NULL && xdg[0] == '/')
        return join(xdg, "sotto");
    const struct passwd *self = home == NULL || home[0] != '/' ? getpwuid(geteuid()) : NULL;
    return join(self != NULL ? self->pw_dir : home != NULL ? home : "", ".local/share/sotto");
}

/* A machine may have IPv6 switched off. */
static bool has_ipv6_loopback(void)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        close(fd);
    return good;
}

static void add(struct config *c, const char *name, const char *address, bool tls)
{
    c->listeners = mem_realloc(c->listeners, (c->listeners_n + 1) * sizeof *c->listeners);
    struct config_listener *l = &c->listeners[c->listeners_n++];
    *l = (struct config_listener){.name = mem_strndup(name, strlen(name))};
    config_value_defaults(l, "listener");
    mem_free(l->address);
    l->address = mem_strndup(address, strlen(address));
    l->port = tls ? 8883 : 1883;
    l->tls = tls;
    l->anonymous = true;
    l->versions = (1 << PROTO_31) | (1 << PROTO_311) | (1 << PROTO_5);
    for (size_t i = 0; tls && i < 2; i++) {
        struct tls_pair_files *p = config_add_pair(l, 0);
        p->cert = join(c->data_dir, i == 0 ? "server.crt" : "server-ec.crt");
        p->key = join(c->data_dir, i == 0 ? "server.key" : "server-ec.key");
    }
}

struct config *config_default(void)
{
    struct config *c = mem_alloc(sizeof *c);
    for (size_t i = 0; i < 4; i++)
        config_value_defaults(c, config_sections[i]);
    mem_free(c->data_dir);
    c->data_dir = data_folder();
    c->anonymous = true;
    add(c, "plain", "127.0.0.1", false);
    add(c, "tls", "127.0.0.1", true);
    if (has_ipv6_loopback()) {
        add(c, "plain6", "::1", false);
        add(c, "tls6", "::1", true);
    }
    return c;
}
