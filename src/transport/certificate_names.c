/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The names a server certificate is for. No question is put to DNS: making certificates must work offline and
 * at once. What the machine knows by itself is its host name, what /etc/hosts says beside it, its mDNS name
 * (raspberrypi.local is how most people reach theirs), and the addresses of its interfaces.
 */
#include "certificate_private.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#define NAME_MAX_DNS 253
#define LABEL_MAX 63

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

static bool is_dns_name(const char *s)
{
    if (strncmp(s, "*.", 2) == 0)
        s += 2;
    size_t n = strlen(s);
    if (n == 0 || n > NAME_MAX_DNS)
        return false;
    size_t label = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '.' && label == 0)
            return false;
        label = s[i] == '.' ? 0 : label + 1;
        if ((s[i] != '.' && !is_name_char(s[i])) || label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

static bool is_listed(const struct san_list *l, const struct san *s)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct san *o = &l->v[i];
        if (s->address_n == o->address_n &&
            (s->address_n > 0 ? memcmp(s->address, o->address, s->address_n) == 0 : strcasecmp(s->text, o->text) == 0))
            return true;
    }
    return false;
}

/* False: the list is full. */
static bool add(struct san_list *l, const struct san *s)
{
    if (is_listed(l, s))
        return true;
    if (l->n == SAN_MAX)
        return false;
    l->v[l->n++] = *s;
    return true;
}

static bool add_address(struct san_list *l, int family, const void *address)
{
    struct san s = {.address_n = family == AF_INET ? 4 : 16};
    memcpy(s.address, address, s.address_n);
    inet_ntop(family, address, s.text, sizeof(s.text));
    return add(l, &s);
}

/* A name or an address; false: neither, or the list is full. */
static bool add_text(struct san_list *l, const char *text)
{
    uint8_t address[16];
    if (inet_pton(AF_INET, text, address) == 1)
        return add_address(l, AF_INET, address);
    if (inet_pton(AF_INET6, text, address) == 1)
        return add_address(l, AF_INET6, address);
    struct san s = {.address_n = 0};
    if (!is_dns_name(text))
        return false;
    snprintf(s.text, sizeof(s.text), "%s", text);
    return add(l, &s);
}

static bool is_ours(const struct hostent *h, const char *host)
{
    bool ours = strcasecmp(h->h_name, host) == 0;
    for (char **a = h->h_aliases; !ours && *a != NULL; a++)
        ours = strcasecmp(*a, host) == 0;
    return ours;
}

/* The lines of /etc/hosts that name this host; the full name stands there. */
static void add_from_hosts_file(struct san_list *l, const char *host)
{
    sethostent(1);
    for (struct hostent *h = gethostent(); h != NULL; h = gethostent()) {
        if (!is_ours(h, host))
            continue;
        add_text(l, h->h_name);
        for (char **a = h->h_aliases; *a != NULL; a++)
            add_text(l, *a);
    }
    endhostent();
}

static void add_host_names(struct san_list *l)
{
    char host[SAN_TEXT] = "";
    char local[SAN_TEXT + 8];
    if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
        return;
    add_text(l, host);
    add_from_hosts_file(l, host);
    host[strcspn(host, ".")] = '\0';
    add_text(l, host);
    if (strcasecmp(host, "localhost") != 0) {
        snprintf(local, sizeof(local), "%s.local", host);
        add_text(l, local);
    }
}

static void add_interface(struct san_list *l, const struct ifaddrs *i)
{
    if (i->ifa_addr == NULL || (i->ifa_flags & IFF_UP) == 0)
        return;
    if (i->ifa_addr->sa_family == AF_INET) {
        struct sockaddr_in a;
        memcpy(&a, i->ifa_addr, sizeof(a));
        bool link_local = ntohl(a.sin_addr.s_addr) >> 16 == 0xa9fe;
        if (!link_local)
            add_address(l, AF_INET, &a.sin_addr);
    } else if (i->ifa_addr->sa_family == AF_INET6) {
        struct sockaddr_in6 a;
        memcpy(&a, i->ifa_addr, sizeof(a));
        if (!IN6_IS_ADDR_LINKLOCAL(&a.sin6_addr))
            add_address(l, AF_INET6, &a.sin6_addr);
    }
}

static void add_interfaces(struct san_list *l)
{
    struct ifaddrs *all = NULL;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next)
        add_interface(l, i);
    freeifaddrs(all);
}

bool san_collect(struct san_list *l, const struct certificate_request *r, char *err, size_t err_cap)
{
    l->n = 0;
    add_text(l, "localhost");
    add_text(l, "127.0.0.1");
    add_text(l, "::1");
    /* What was asked for comes before what was found, so that it always has a place. */
    for (size_t i = 0; i < r->hosts_n; i++) {
        if (l->n == SAN_MAX) {
            snprintf(err, err_cap, "more than %d names for one certificate: leave some out", SAN_MAX);
            return false;
        }
        if (!add_text(l, r->hosts[i])) {
            snprintf(err, err_cap,
                     "\"%s\" is neither a host name nor an address: give it like broker.example.org or 192.168.1.10",
                     r->hosts[i]);
            return false;
        }
    }
    add_host_names(l);
    add_interfaces(l);
    return true;
}

void san_add_from(struct san_list *l, const struct x509 *c)
{
    struct rd r = rd_of(c->names);
    struct x509_name n;
    while (x509_name_next(&r, &n)) {
        if (n.kind == X509_NAME_DNS || n.kind == X509_NAME_IP)
            add_text(l, n.text);
    }
}

const char *san_common_name(const struct san_list *l)
{
    for (size_t i = 1; i < l->n; i++) {
        if (l->v[i].address_n == 0 && strlen(l->v[i].text) < CERT_COMMON_NAME_MAX)
            return l->v[i].text;
    }
    return l->v[0].text;
}
