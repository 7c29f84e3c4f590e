/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What answers to CONNECT, with and without TLS: 3.1.1, which everything speaks, and 5.0. */
#include "doctor_private.h"

#include "sotto/base/random.h"

#define CONNACK 0x20
#define MQTT_3_1_1 4
#define MQTT_5 5
#define MORE 0x80 /* of a length: another byte follows */
#define ALERT_CERTIFICATE_REQUIRED 116

/* CONNACK codes of 5.0. */
#define V5_UNSUPPORTED 0x84
#define V5_CLIENT_ID 0x85
#define V5_BAD_USER 0x86
#define V5_NOT_AUTHORIZED 0x87
/* A broker that knows nothing of 5.0 answers as in 3.1.1. */
#define V3_UNSUPPORTED 1

/* What stands before the code: type, length, flags. 5.0 has properties behind it, so its length may be of several
 * bytes. */
static enum probe_end read_connack(struct probe *p, unsigned level, uint8_t *code)
{
    uint8_t first[2], more, rest[2];
    enum probe_end end = probe_receive(p, first, sizeof(first));
    if (end != PROBE_FINE)
        return end;
    if (first[0] != CONNACK || (level == MQTT_3_1_1 && first[1] != 2) || first[1] < 2)
        return PROBE_BROKEN;
    more = first[1];
    for (int i = 0; i < 3 && (more & MORE) != 0; i++) {
        end = probe_receive(p, &more, 1);
        if (end != PROBE_FINE)
            return end;
    }
    end = probe_receive(p, rest, sizeof(rest));
    *code = rest[1];
    return end;
}

enum probe_end doctor_greet(struct probe *p, unsigned level, uint8_t *code)
{
    uint8_t connect[64], tag[4];
    char id[32];
    random_bytes(tag, sizeof(tag));
    snprintf(id, sizeof(id), "sotto-doctor-%02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
    struct wr w = wr_of(connect, sizeof(connect));
    wr_u8(&w, 0x10);
    wr_u8(&w, (unsigned)(12 + strlen(id) + (level == MQTT_5 ? 1 : 0)));
    wr_lp(&w, bytes_str("MQTT"));
    wr_u8(&w, level);
    wr_u8(&w, 2); /* a clean session */
    wr_u16(&w, 60);
    if (level == MQTT_5)
        wr_u8(&w, 0); /* no properties */
    wr_lp(&w, bytes_str(id));
    enum probe_end end = probe_send(p, bytes_of(connect, (size_t)(w.p - connect)));
    if (end == PROBE_FINE)
        end = read_connack(p, level, code);
    if (end == PROBE_FINE && *code == 0)
        probe_send(p, bytes_of("\xe0\0", 2));
    return end;
}

/* ---- 3.1.1 ---- */

static void judge_connack(struct doctor *d, uint8_t code)
{
    switch (code) {
    case 0:
        doctor_say(d, DOCTOR_OK, "MQTT", "3.1.1 is answered, and lets clients in without a user name");
        break;
    case V3_UNSUPPORTED:
        d->refuses_3_1_1 = true;
        doctor_say(
            d, DOCTOR_WARN, "MQTT",
            "3.1.1 is refused (unacceptable protocol version): most clients and all small devices speak it; let the "
            "listener take it (mqtt_version = 3.1.1)");
        break;
    case 2:
        doctor_say(d, DOCTOR_WARN, "MQTT", "3.1.1 is answered; the client id was refused (2): there are rules for it");
        break;
    case 3:
        doctor_say(d, DOCTOR_WARN, "MQTT",
                   "3.1.1 is answered: server unavailable (3); try again, then look at its log");
        break;
    case 4:
    case 5:
        doctor_say(d, DOCTOR_OK, "MQTT", "3.1.1 is answered, and wants a user name and password (%u)", code);
        break;
    default:
        doctor_say(d, DOCTOR_FAIL, "MQTT", "the answer to CONNECT has the code %u, which 3.1.1 does not know", code);
        break;
    }
}

/* ---- 5.0 ---- */

static void judge_v5(struct doctor *d, enum probe_end end, uint8_t code)
{
    if (end == PROBE_FINE && code == 0)
        doctor_say(d, DOCTOR_OK, "MQTT 5", "5.0 is answered, and lets clients in without a user name");
    else if (end == PROBE_FINE && (code == V5_BAD_USER || code == V5_NOT_AUTHORIZED))
        doctor_say(d, DOCTOR_OK, "MQTT 5", "5.0 is answered, and wants a user name and password (0x%02x)", code);
    else if (end == PROBE_FINE && code == V5_CLIENT_ID)
        doctor_say(d, DOCTOR_WARN, "MQTT 5",
                   "5.0 is answered; the client id was refused (0x85): there are rules for it");
    else if (end == PROBE_FINE && code != V5_UNSUPPORTED && code != V3_UNSUPPORTED)
        doctor_say(d, DOCTOR_WARN, "MQTT 5", "5.0 is answered with the code 0x%02x; look at the server's log", code);
    else
        doctor_say(
            d, DOCTOR_WARN, "MQTT 5",
            "5.0 is refused%s: clients that are set to it have to be set to 3.1.1 (Node-RED: Protocol), or let the "
            "listener take it (mqtt_version = 5)",
            end == PROBE_FINE ? "" : ", without an answer");
}

static void try_v5(struct doctor *d, bool tls)
{
    int error;
    uint8_t code = 0;
    enum probe_end end = PROBE_FINE;
    struct probe_offer any = {.min = TLS_1_2, .max = TLS_1_3};
    struct probe *p = tls ? doctor_connect(d, &any, &end) : probe_open(&d->at, &error);
    if (p == NULL || end != PROBE_FINE) {
        doctor_say(d, DOCTOR_WARN, "MQTT 5", "not reached: it takes no more connections");
    } else {
        end = doctor_greet(p, MQTT_5, &code);
        judge_v5(d, end, code);
    }
    probe_close(p);
}

/* Has it an answer to a browser? */
static bool is_web_server(const struct doctor *d)
{
    enum probe_end end;
    uint8_t first[5];
    struct probe *p = doctor_connect(d, &(struct probe_offer){.min = TLS_1_2, .max = TLS_1_3}, &end);
    bool web = end == PROBE_FINE && probe_send(p, bytes_str("GET / HTTP/1.0\r\n\r\n")) == PROBE_FINE &&
               probe_receive(p, first, sizeof(first)) == PROBE_FINE && memcmp(first, "HTTP/", sizeof(first)) == 0;
    probe_close(p);
    return web;
}

/* ---- the two ways there ---- */

void doctor_mqtt(struct doctor *d)
{
    enum probe_end end;
    uint8_t code = 0;
    char why[256];
    struct probe *p = doctor_connect(d, &(struct probe_offer){.min = TLS_1_2, .max = TLS_1_3}, &end);
    bool shaken = end == PROBE_FINE;
    if (shaken)
        end = doctor_greet(p, MQTT_3_1_1, &code);
    int alert = p != NULL ? probe_alert(p) : -1;
    bool answered = end == PROBE_FINE;
    bool refused = alert == ALERT_CERTIFICATE_REQUIRED || (!shaken && doctor_answered(p, end));
    doctor_reason(p, end, why, sizeof(why));
    probe_close(p); /* simple servers have one connection at a time */
    if (answered) {
        judge_connack(d, code);
        try_v5(d, true);
    } else if (refused) {
        d->wants_certificate = true;
        doctor_say(
            d, DOCTOR_WARN, "MQTT",
            "not reached: %s, so it seems to want a client certificate, and the doctor has none; make one with `sotto "
            "cert client DIR NAME`",
            why);
    } else if ((d->is_web = is_web_server(d))) {
        doctor_say(
            d, DOCTOR_FAIL, "MQTT",
            "a web server, which knows no MQTT: name the broker's port (8883); MQTT over WebSocket is for browsers");
    } else {
        doctor_say(d, DOCTOR_FAIL, "MQTT", "no answer to CONNECT: %s; is it an MQTT broker? Then look at its log", why);
    }
}

bool doctor_plain(struct doctor *d)
{
    int error;
    uint8_t code = 0;
    struct probe *p = probe_open(&d->at, &error);
    bool plain = p != NULL && doctor_greet(p, MQTT_3_1_1, &code) == PROBE_FINE;
    if (plain) {
        doctor_say(
            d, DOCTOR_WARN, "protocol",
            "plain MQTT, no TLS: passwords and messages can be read on the way, and clients with TLS on fail here; use "
            "the TLS port (usually 8883), or turn TLS off in the client");
        judge_connack(d, code);
    }
    probe_close(p);
    if (plain)
        try_v5(d, false);
    return plain;
}
