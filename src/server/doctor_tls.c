/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the server accepts, one connection a question. */
#include "doctor_private.h"

/* A record of TLS 1.2 with AES-GCM is 24 bytes longer than what is in it; others up to 64. */
#define RECORD_EXTRA 64

static bool accepts(const struct doctor *d, const struct probe_offer *o)
{
    enum probe_end end;
    struct probe *p = doctor_connect(d, o, &end);
    bool yes = doctor_answered(p, end);
    probe_close(p);
    return yes;
}

static void judge_versions(struct doctor *d)
{
    for (enum tls_version v = TLS_1_2; v <= TLS_1_3; v++)
        d->accepts[v] = accepts(d, &(struct probe_offer){.min = v, .max = v});
    if (d->accepts[TLS_1_2])
        doctor_say(d, DOCTOR_OK, "TLS 1.2", "accepted");
    else
        doctor_say(
            d, DOCTOR_WARN, "TLS 1.2",
            "refused: Tasmota, most ESP32s and old programs have nothing newer; let the server take it (min_version)");
    if (d->accepts[TLS_1_3])
        doctor_say(d, DOCTOR_OK, "TLS 1.3", "accepted");
    else
        doctor_say(d, DOCTOR_WARN, "TLS 1.3", "refused: all clients can do with 1.2, but 1.3 is quicker (max_version)");
}

static void judge_suites(struct doctor *d, enum tls_version v)
{
    char yes[400] = "", no[400] = "";
    size_t yes_n = 0, no_n = 0;
    for (const char *const *s = probe_suites(v); *s != NULL && d->accepts[v]; s++) {
        if (accepts(d, &(struct probe_offer){.min = v, .max = v, .suites = *s}))
            yes_n += (size_t)snprintf(yes + yes_n, sizeof(yes) - yes_n, "%s%s", yes_n > 0 ? ", " : "", *s);
        else
            no_n += (size_t)snprintf(no + no_n, sizeof(no) - no_n, "%s%s", no_n > 0 ? ", " : "", *s);
        if (v == TLS_1_2 && strstr(yes, "ECDHE-RSA") != NULL)
            d->has_rsa = true;
        if (v == TLS_1_2 && strstr(yes, "ECDHE-ECDSA") != NULL)
            d->has_ecdsa = true;
    }
    if (yes_n > 0)
        doctor_say(d, DOCTOR_OK, v == TLS_1_2 ? "suites 1.2" : "suites 1.3", "accepted: %s%s%s", yes,
                   no_n > 0 ? "; not: " : "", no);
    else if (d->accepts[v])
        doctor_say(
            d, DOCTOR_WARN, v == TLS_1_2 ? "suites 1.2" : "suites 1.3",
            "it accepts the version, but none of %s by itself: look at the server's log (a limit of connections?)", no);
}

static void judge_kinds(struct doctor *d)
{
    if (!d->accepts[TLS_1_2])
        return;
    if (d->has_rsa && d->has_ecdsa)
        doctor_say(d, DOCTOR_OK, "certificates", "RSA for those who know nothing else, and ECDSA");
    else if (d->has_rsa)
        doctor_say(d, DOCTOR_OK, "certificates", "RSA only, which all clients know");
    else
        doctor_say(d, DOCTOR_WARN, "certificates",
                   "ECDSA only: Tasmota on an ESP8266 and some old programs know RSA alone; use server.crt for them");
}

static void judge_fragments(struct doctor *d)
{
    enum probe_end end;
    char why[256];
    struct probe_offer o = {.min = TLS_1_2, .max = d->accepts[TLS_1_2] ? TLS_1_2 : TLS_1_3, .max_fragment = 512};
    struct probe *p = doctor_connect(d, &o, &end);
    doctor_reason(p, end, why, sizeof(why));
    if (end == PROBE_UNABLE)
        doctor_say(d, DOCTOR_SKIP, "fragments", "this build of wolfSSL can't ask for them");
    else if (!doctor_answered(p, end))
        doctor_say(
            d, DOCTOR_WARN, "fragments",
            "the server fails when it is asked for records of 512 bytes: %s; devices that ask (BearSSL) can't connect",
            why);
    else if (probe_longest_record(p) > o.max_fragment + RECORD_EXTRA)
        doctor_say(d, DOCTOR_WARN, "fragments",
                   "records of 512 bytes were asked for, and %zu came: small devices need buffers of 16 KiB here",
                   probe_longest_record(p));
    else
        doctor_say(d, DOCTOR_OK, "fragments", "records of 512 bytes are sent when asked for");
    probe_close(p);
    if (!d->accepts[TLS_1_2])
        return;
    p = doctor_connect(d, &(struct probe_offer){.min = TLS_1_2, .max = TLS_1_2}, &end);
    d->spans = doctor_answered(p, end) && probe_message_spans(p);
    if (d->spans)
        doctor_say(d, DOCTOR_WARN, "messages",
                   "handshake messages go over several records even if nobody asked: mbedTLS (ESP32) can't read them; "
                   "shorten the chain");
    probe_close(p);
}

/* Whether a second connection resumes what the first had; PROBE_UNABLE: it can't be tried. */
static bool resumes(const struct doctor *d, enum tls_version v, enum probe_end *end)
{
    uint8_t code;
    struct probe_session *s = NULL;
    struct probe_offer o = {.min = v, .max = v, .tickets = true};
    struct probe *p = doctor_connect(d, &o, end);
    if (*end == PROBE_FINE) {
        /* In TLS 1.3 tickets come with the first answer, whatever that is. */
        if (v == TLS_1_3)
            doctor_greet(p, 4, &code);
        s = probe_session_take(p);
    }
    probe_close(p);
    if (s == NULL)
        return false;
    o.resume = s;
    p = doctor_connect(d, &o, end);
    bool yes = *end == PROBE_FINE && probe_resumed(p);
    probe_close(p);
    probe_session_free(s);
    return yes;
}

static void judge_resumption(struct doctor *d)
{
    for (enum tls_version v = TLS_1_2; v <= TLS_1_3; v++) {
        enum probe_end end;
        const char *name = v == TLS_1_2 ? "resume 1.2" : "resume 1.3";
        if (!d->accepts[v])
            continue;
        if (resumes(d, v, &end))
            doctor_say(d, DOCTOR_OK, name, "a second connection needs no full handshake");
        else if (end == PROBE_UNABLE)
            doctor_say(d, DOCTOR_SKIP, name, "this build of wolfSSL can't resume");
        else
            doctor_say(d, DOCTOR_WARN, name,
                       "each connection is a full handshake (%s), which is slow for small devices; right where client "
                       "certificates or shared keys are asked for",
                       end == PROBE_FINE ? "no ticket, or it was not taken back" : "the server did not finish one");
    }
}

static void judge_keys(struct doctor *d)
{
    if (doctor_keys(d) == DOCTOR_KEYS)
        doctor_say(
            d, DOCTOR_OK, "shared keys",
            "taken besides certificates, so a client may have one (mosquitto_sub --psk-identity NAME --psk HEXKEY)");
}

void doctor_tls(struct doctor *d)
{
    judge_versions(d);
    doctor_old(d);
    judge_suites(d, TLS_1_2);
    judge_suites(d, TLS_1_3);
    judge_kinds(d);
    judge_keys(d);
    judge_fragments(d);
    judge_resumption(d);
}
