/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "e2e/tls_client.h"

#include "e2e/e2e.h"

#define ARGUMENTS 40

static void put(char *out, size_t cap, const char *text)
{
    size_t used = strlen(out), n = strlen(text);
    snprintf(out + used, cap - used, "\\%03o\\%03o", (unsigned)(n >> 8), (unsigned)(n & 255));
    for (size_t i = 0; i < n; i++) {
        used = strlen(out);
        snprintf(out + used, cap - used, "\\%03o", (unsigned)(unsigned char)text[i]);
    }
}

/* For printf: each byte as three octal digits. */
static void packets(const struct visit *v, char *out, size_t cap)
{
    size_t n = 10 + 2 + strlen("visitor");
    unsigned flags = 2;
    if (v->user != NULL) {
        n += 2 + strlen(v->user);
        flags |= 0x80;
    }
    if (v->password != NULL) {
        n += 2 + strlen(v->password);
        flags |= 0x40;
    }
    assert_true(n < 128);
    snprintf(out, cap, "\\020\\%03o", (unsigned)n);
    put(out, cap, "MQTT");
    snprintf(out + strlen(out), cap - strlen(out), "\\004\\%03o\\000\\000", flags);
    put(out, cap, "visitor");
    if (v->user != NULL)
        put(out, cap, v->user);
    if (v->password != NULL)
        put(out, cap, v->password);
    snprintf(out + strlen(out), cap - strlen(out), "\\340\\000");
}

struct line {
    const char *v[ARGUMENTS];
    size_t n;
};

static void add(struct line *l, const char *option, const char *value)
{
    if (value == NULL)
        return;
    assert_true(l->n + 2 < ARGUMENTS);
    l->v[l->n++] = option;
    l->v[l->n++] = value;
}

enum outcome visit(const struct visit *v)
{
    /* $1: the packets; then s_client's. */
    static const char script[] =
        "packets=$1; shift; printf \"$packets\" 2>/dev/null | timeout 20 openssl s_client -quiet \"$@\" "
        "2>/dev/null | od -An -v -tx1 | tr -d ' \\n'";
    char text[1024], where[32], cert[256], key[256], more[256];
    struct line l = {.v = {"sh", "-c", script, "sh", text}, .n = 5};
    struct program p;

    program_need("openssl");
    packets(v, text, sizeof text);
    snprintf(where, sizeof where, "127.0.0.1:%u", v->port);
    add(&l, "-connect", where);
    l.v[l.n++] = v->minor == 2 ? "-tls1_2" : "-tls1_3";
    if (v->cert != NULL) {
        snprintf(cert, sizeof cert, "%s.crt", v->cert);
        snprintf(key, sizeof key, "%s.key", v->cert);
        add(&l, "-cert", cert);
        add(&l, "-key", key);
    }
    add(&l, "-cert_chain", v->chain);
    add(&l, "-psk_identity", v->psk_id);
    add(&l, "-psk", v->psk);
    snprintf(more, sizeof more, "%s", v->more != NULL ? v->more : "");
    char *rest = NULL;
    for (char *word = strtok_r(more, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        l.v[l.n++] = word;
    program_run(&p, 0, NULL, l.v);
    enum outcome o = strncmp(p.output, "20020000", 8) == 0   ? LET_IN
                     : strncmp(p.output, "20020004", 8) == 0 ? MQTT_REFUSED_BAD
                     : strncmp(p.output, "20020005", 8) == 0 ? MQTT_REFUSED_NONE
                                                             : TLS_REFUSED;
    if (o == TLS_REFUSED && p.output[0] != '\0')
        fail_msg("the broker answered %s", p.output);
    program_fini(&p);
    return o;
}
