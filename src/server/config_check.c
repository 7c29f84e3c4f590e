/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What holds between the keys of a configuration. Nothing outside the file is looked at here: see check.c. */
#include <stdio.h>
#include <string.h>

#include "config_schema.h"

/* The key is there, with a value that was (perhaps) refused: then its absence is no further error. */
static bool refused(const struct config_lines *lines, size_t i, const char *key)
{
    return lines->listener[i].faulty && config_line_of(lines, i, key) != 0;
}

struct listener_view {
    const struct config_listener *l;
    size_t i;
    const char *section;
    const struct config_lines *lines;
    struct config_errors *e;
};

static void wrong(const struct listener_view *v, const char *key, const char *text)
{
    unsigned line = config_line_of(v->lines, v->i, key);
    config_error(v->e, line != 0 ? line : v->l->line, v->section, key, "%s", text);
}

/* The key is there, and would do nothing. */
static void idle(const struct listener_view *v, const char *key, bool used, const char *text)
{
    if (!used && config_line_of(v->lines, v->i, key) != 0)
        wrong(v, key, text);
}

/* Who clients are, as far as TLS shows it. */
static void check_client_auth(const struct listener_view *v)
{
    const struct config_listener *l = v->l;
    bool asked = l->client_cert != TLS_CLIENT_CERT_NONE || refused(v->lines, v->i, "client_cert");
    if (asked && l->client_ca == NULL && !refused(v->lines, v->i, "client_ca"))
        wrong(v, "client_ca",
              "missing; client_cert needs the CA that issues the clients' certificates: write client_ca "
              "= FILE (ca.crt of `sotto cert init DIR`, whose `sotto cert client` makes them)");
    idle(v, "client_ca", asked,
         "without function while client_cert is none; write client_cert = required (or optional), or take this line "
         "out");
    idle(v, "crl", asked,
         "without function while client_cert is none; write client_cert = required (or optional), or take this line "
         "out");
    idle(v, "client_cert_user", asked || l->client_cert_user == TLS_CLIENT_CERT_USER_NONE,
         "without function while client_cert is none; write client_cert = required (or optional), or take this line "
         "out");
    idle(v, "password",
         config_names_clients(l) || l->client_cert_user != TLS_CLIENT_CERT_USER_NONE || v->lines->listener[v->i].faulty,
         "without function: no certificate and no shared key names the user here; set client_cert_user or psk_file, or "
         "take this line out");
    idle(v, "ticket_lifetime", (!asked && l->psk_file == NULL) || l->ticket_lifetime == 0,
         "without function: clients that show certificates or shared keys get no tickets, because a ticket would bring "
         "them in without; take this line out");
    if (l->client_cert == TLS_CLIENT_CERT_REQUIRED && l->psk_file != NULL)
        wrong(v, "psk_file",
              "a client with a shared key shows no certificate, and client_cert = required asks for one; "
              "write client_cert = optional, or give the keys a listener of their own");
}

/* Certificates have keys, and keys certificates. */
static void check_pairs(const struct listener_view *v)
{
    static const struct tls_pair_files none = {.cert = NULL};
    const struct config_listener *l = v->l;
    bool cert_refused = refused(v->lines, v->i, "cert"), key_refused = refused(v->lines, v->i, "key");
    for (size_t n = 0; n == 0 || n < l->pairs_n; n++) {
        const struct tls_pair_files *p = n < l->pairs_n ? &l->pairs[n] : &none;
        unsigned line = n > 0 ? l->pair_lines[n] : l->line;
        if (p->cert == NULL && !cert_refused)
            config_error(v->e, line, v->section, "cert",
                         "missing; tls = on needs a certificate: write cert = FILE (`sotto cert init DIR` makes one)");
        if (p->key == NULL && !key_refused)
            config_error(v->e, line, v->section, "key",
                         "missing; tls = on needs the certificate's private key: write key = FILE");
    }
}

static void check_tls(const struct config_listener *l, size_t i, const char *section, const struct config_lines *lines,
                      struct config_errors *e)
{
    static const char *const needs_tls[] = {
        "cert",        "key",     "chain",     "key_passphrase_file", "min_version",
        "max_version", "ciphers", "client_ca", "client_cert",         "client_cert_user",
        "password",    "crl",     "psk_file",  "ticket_lifetime",     NULL};
    struct listener_view v = {l, i, section, lines, e};
    /* Shared keys need no certificate; half of a pair, or what goes with one, does. */
    bool keys_only = (l->psk_file != NULL || refused(lines, i, "psk_file")) && l->pairs_n == 0 &&
                     l->client_cert == TLS_CLIENT_CERT_NONE;
    if (l->tls)
        check_client_auth(&v);
    if (l->tls && !keys_only)
        check_pairs(&v);
    if (l->tls && l->min_version > l->max_version)
        config_error(e, config_line_of(lines, i, "min_version"), section, "min_version",
                     "is above max_version; no version is left: lower it, or raise max_version");
    bool off = !l->tls && !refused(lines, i, "tls");
    for (const char *const *key = needs_tls; off && *key != NULL; key++) {
        unsigned line = config_line_of(lines, i, *key);
        if (line != 0)
            config_error(e, line, section, *key,
                         "without function while tls is off; write tls = on, or take this line out");
    }
}

static void check_address(const struct config *c, size_t i, const char *section, const struct config_lines *lines,
                          struct config_errors *e)
{
    const struct config_listener *l = &c->listeners[i];
    unsigned line = config_line_of(lines, i, "port");
    if (strncmp(l->address, "unix:", 5) == 0 && line != 0)
        config_error(e, line, section, "port", "a unix socket has no port; take this line out");
    for (size_t j = 0; j < i; j++) {
        const struct config_listener *other = &c->listeners[j];
        if (lines->listener[i].faulty || lines->listener[j].faulty)
            continue;
        if (l->port != other->port || strcmp(l->address, other->address) != 0)
            continue;
        config_error(e, l->line, section, NULL,
                     "address %s%s%.0u is taken by [listener.%s] on line %u already; change address or port",
                     l->address, l->port != 0 ? " port " : "", l->port, other->name, other->line);
        return;
    }
}

/* Where nobody may come in without a password, somebody must have one; and whom a certificate or shared key names, has
 * what the users file grants. */
static void check_auth(const struct config *c, const struct config_lines *lines, struct config_errors *e)
{
    static const char *const why =
        "is off, and [auth] users names no file, so nobody could log in; write users = FILE under "
        "[auth] (`sotto passwd FILE USER` makes it), or anonymous = on";
    bool said = false;
    for (size_t i = 0; i < c->listeners_n && c->users == NULL && !lines->auth.faulty; i++) {
        const struct config_listener *l = &c->listeners[i];
        unsigned line = config_line_of(lines, i, "anonymous");
        char section[64];
        snprintf(section, sizeof section, "listener.%s", l->name);
        if (config_names_clients(l)) {
            config_error(e, l->line, section, l->psk_file != NULL ? "psk_file" : "client_cert_user",
                         "names users, and [auth] users names no file, so they could do nothing; write users = FILE "
                         "under [auth], with a section for each, or one [*] for all");
            continue;
        }
        if (!l->anonymous && line != 0)
            config_error(e, line, section, "anonymous", "%s", why);
        else if (!l->anonymous && !said)
            config_error(e, lines->auth_section, "auth", "anonymous", "%s", why);
        said |= !l->anonymous && line == 0;
    }
}

void config_check(const struct config *c, const struct config_lines *lines, struct config_errors *e)
{
    if (c->listeners_n == 0)
        config_error(e, 0, NULL, NULL, "no listener; nobody could connect: write a section [listener.NAME]");
    for (size_t i = 0; i < c->listeners_n; i++) {
        char section[64];
        snprintf(section, sizeof section, "listener.%s", c->listeners[i].name);
        check_tls(&c->listeners[i], i, section, lines, e);
        check_address(c, i, section, lines, e);
    }
    check_auth(c, lines, e);
}
