/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way to the server, and what speaks there. Each finding is a line for somebody who has a device in hand that
 * does not connect: what was seen, why that matters, what to do.
 */
#include "doctor_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>

#include "sotto/base/mem.h"

#define SYSTEM_CAS "/etc/ssl/certs/ca-certificates.crt"
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define ALERT_HANDSHAKE_FAILURE 40
#define ALERT_PROTOCOL_VERSION 70

void doctor_say(struct doctor *d, enum verdict v, const char *what, const char *format, ...)
{
    static const char *const names[] = {"ok", "warn", "fail", "skip"};
    va_list args;
    d->counts[v]++;
    fprintf(d->out, "%-5s %-12s ", names[v], what);
    va_start(args, format);
    vfprintf(d->out, format, args);
    va_end(args);
    fputc('\n', d->out);
    fflush(d->out);
}

struct probe *doctor_connect(const struct doctor *d, const struct probe_offer *o, enum probe_end *end)
{
    int error;
    struct probe_offer offer = *o;
    offer.name = d->is_address ? NULL : d->r->host;
    struct probe *p = probe_open(&d->at, &error);
    *end = p != NULL ? probe_tls(p, &offer) : PROBE_CLOSED;
    return p;
}

bool doctor_answered(const struct probe *p, enum probe_end end)
{
    return p != NULL && (end == PROBE_FINE || probe_chain(p)->n > 0);
}

void doctor_reason(struct probe *p, enum probe_end end, char *out, size_t cap)
{
    int alert = p != NULL ? probe_alert(p) : -1;
    if (p == NULL)
        snprintf(out, cap, "it takes no more connections");
    else if (end == PROBE_ALERT)
        snprintf(out, cap, "the server refused with the alert \"%s\" (%d)", probe_alert_words(alert), alert);
    else if (end == PROBE_CLOSED)
        snprintf(out, cap, "the server closed the connection without a word");
    else if (end == PROBE_TIMEOUT)
        snprintf(out, cap, "nothing came for %d s", PROBE_SECONDS);
    else
        snprintf(out, cap, "%s", probe_trouble(p));
}

/* ---- what speaks there ---- */

static void judge_tls_refusal(struct doctor *d, struct probe *p, enum probe_end end)
{
    char why[256];
    int alert = probe_alert(p);
    doctor_reason(p, end, why, sizeof(why));
    doctor_say(d, DOCTOR_FAIL, "protocol", "TLS, but nothing in common: %s; %s", why,
               alert == ALERT_PROTOCOL_VERSION    ? "it seems to be older than TLS 1.2: update or configure it"
               : alert == ALERT_HANDSHAKE_FAILURE ? "it has no suite with ECDHE, or it wants a pre-shared key "
                                                    "(mosquitto_sub --psk-identity NAME --psk HEXKEY)"
                                                  : "look at the server's log");
}

static void judge_strange_answer(struct doctor *d, struct probe *p, enum probe_end end)
{
    struct bytes first = probe_first_bytes(p);
    char why[256];
    doctor_reason(p, end, why, sizeof(why));
    bool web = first.n >= 4 && (memcmp(first.p, "HTTP", 4) == 0 || first.p[0] == '<');
    if (web)
        doctor_say(d, DOCTOR_FAIL, "protocol", "a web server without TLS: name the broker's port (8883 or 1883)");
    else if (first.n > 0 && (first.p[0] == RECORD_ALERT || first.p[0] == RECORD_HANDSHAKE))
        judge_tls_refusal(d, p, end);
    else if (first.n > 0)
        doctor_say(d, DOCTOR_FAIL, "protocol",
                   "neither TLS nor MQTT (its first byte is 0x%02x): name the broker's port", first.p[0]);
    else
        doctor_say(
            d, DOCTOR_FAIL, "protocol",
            "neither TLS nor plain MQTT is answered: %s; is it the broker's port, and is the broker well (its log)?",
            why);
}

/* True: it wants a shared key, as it seems, and nothing more can be seen without one. */
static bool judge_keys(struct doctor *d)
{
    enum doctor_keys keys = doctor_keys(d);
    if (keys == DOCTOR_NO_KEYS)
        return false;
    doctor_say(d, DOCTOR_WARN, "protocol",
               "TLS, and it %s a pre-shared key, no certificates: the doctor has no key and can't look further; try "
               "mosquitto_sub -h %s -p %u --psk-identity NAME --psk HEXKEY -t '#' with a line NAME:HEXKEY of the "
               "broker's psk_file; for clients that know certificates only (Tasmota, Node-RED, MQTT.fx), let a "
               "listener have cert and key",
               keys == DOCTOR_KEYS ? "wants" : "seems to want", d->r->host, d->r->port);
    return true;
}

/* False: there is no TLS to look at, and why is said. */
static bool find_protocol(struct doctor *d)
{
    enum probe_end end;
    struct probe *p = doctor_connect(d, &(struct probe_offer){.min = TLS_1_2, .max = TLS_1_3}, &end);
    bool tls = doctor_answered(p, end);
    if (tls) {
        for (size_t i = 0; i < probe_chain(p)->n; i++)
            x509_pool_add(&d->sent, probe_chain(p)->v[i].whole);
        if (end == PROBE_FINE)
            doctor_say(d, DOCTOR_OK, "protocol", "%s with %s", probe_version(p), probe_suite(p));
        else
            doctor_say(d, DOCTOR_OK, "protocol", "TLS");
    } else if (p == NULL) {
        doctor_say(d, DOCTOR_FAIL, "protocol", "the second connection was refused: is there a limit for an address?");
    } else if (probe_first_bytes(p).n == 0 && doctor_plain(d)) {
        /* All is said. */
    } else if ((end != PROBE_ALERT && end != PROBE_CLOSED) || !judge_keys(d)) {
        judge_strange_answer(d, p, end);
    }
    probe_close(p);
    return tls;
}

/* ---- the way there ---- */

static void judge_refusal(struct doctor *d, enum verdict v, const char *address, int error)
{
    const char *what = error == ECONNREFUSED ? "nobody listens there: is the broker started, and is the port right?"
                       : error == ETIMEDOUT  ? "no answer in 5 s: a firewall, or no such machine"
                       : error == EHOSTUNREACH || error == ENETUNREACH
                           ? "there is no way to that network: check the address and the network"
                           : "check the address";
    doctor_say(d, v, "connect", "%s port %u: %s; %s", address, d->r->port, strerror(error), what);
}

static bool find_address(struct doctor *d)
{
    struct probe_address all[PROBE_ADDRESSES];
    char why[256];
    int errors[PROBE_ADDRESSES];
    size_t n = probe_resolve(d->r->host, d->r->port, all, why, sizeof(why)), good;
    if (n == 0) {
        doctor_say(d, DOCTOR_FAIL, "address", "%s is not found: %s; check the name, or use the broker's address",
                   d->r->host, why);
        return false;
    }
    for (good = 0; good < n; good++) {
        struct probe *p = probe_open(&all[good], &errors[good]);
        probe_close(p);
        if (p != NULL)
            break;
    }
    for (size_t i = 0; i < good; i++)
        judge_refusal(d, good < n ? DOCTOR_WARN : DOCTOR_FAIL, all[i].text, errors[i]);
    if (good == n)
        return false;
    d->at = all[good];
    doctor_say(d, DOCTOR_OK, "connect", "%s port %u answers", all[good].text, d->r->port);
    return true;
}

static bool load_trusted(struct doctor *d, char *err, size_t err_cap)
{
    const char *path = d->r->cafile != NULL ? d->r->cafile : SYSTEM_CAS;
    int n = x509_pool_add_file(&d->trusted, path, err, err_cap);
    if (n == 0 && d->r->cafile != NULL)
        snprintf(err, err_cap, "%s has no certificate in it: name the ca.crt of the broker", path);
    return n > 0 || d->r->cafile == NULL;
}

int doctor_examine(const struct doctor_request *r, FILE *out, char *err, size_t err_cap)
{
    uint8_t address[16];
    if (tls_init() != 0) {
        snprintf(err, err_cap, "wolfSSL can't be started; check that its library is whole (reinstall libwolfssl)");
        return -1;
    }
    struct doctor *d = mem_alloc(sizeof(*d));
    d->r = r;
    d->out = out;
    d->now = time(NULL);
    d->is_address = inet_pton(AF_INET, r->host, address) == 1 || inet_pton(AF_INET6, r->host, address) == 1;
    bool ready = load_trusted(d, err, err_cap);
    if (ready && find_address(d) && find_protocol(d)) {
        doctor_chain(d);
        doctor_tls(d);
        doctor_mqtt(d);
        doctor_clients(d);
    }
    int failed = ready ? (int)d->counts[DOCTOR_FAIL] : -1;
    if (ready)
        fprintf(out, "%u ok, %u warned of, %u failed, %u skipped\n", d->counts[DOCTOR_OK], d->counts[DOCTOR_WARN],
                d->counts[DOCTOR_FAIL], d->counts[DOCTOR_SKIP]);
    x509_pool_fini(&d->sent);
    x509_pool_fini(&d->trusted);
    mem_free(d);
    tls_fini();
    return failed;
}
