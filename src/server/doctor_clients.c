/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What well-known clients would say, in the words that people search for.
 *
 * Tasmota's numbers are BearSSL's: its own errors, or 256 and the alert that it got. An ESP32's are mbedTLS's, as
 * Arduino prints them. Node-RED says what OpenSSL says through Node, MQTT.fx what Java says.
 */
#include "doctor_private.h"

#define TASMOTA_FRAGMENT 1024
#define TASMOTA_BITS 2048
#define RECORD_EXTRA 64

static const char *client_certificate(const struct doctor *d)
{
    return d->wants_certificate ? ", and with a client certificate" : "";
}

/* Said instead of "connects": TLS is well, but then comes MQTT. */
static void connects_unless_refused(struct doctor *d, const char *who, const char *error, const char *how)
{
    if (d->refuses_3_1_1)
        doctor_say(d, DOCTOR_WARN, who, "\"%s\": it speaks MQTT 3.1.1, which is refused here", error);
    else
        doctor_say(d, DOCTOR_OK, who, "connects%s%s", how, client_certificate(d));
}

static void judge_tasmota(struct doctor *d)
{
    static const struct probe_offer tasmota = {.min = TLS_1_2,
                                               .max = TLS_1_2,
                                               .suites = "ECDHE-RSA-AES128-GCM-SHA256",
                                               .max_fragment = TASMOTA_FRAGMENT,
                                               .only_p256 = true};
    enum probe_end end;
    uint8_t digest[X509_SHA1];
    char why[256], text[X509_SHA1 * 3];
    struct probe *p = doctor_connect(d, &tasmota, &end);
    doctor_reason(p, end, why, sizeof(why));
    int alert = p != NULL ? probe_alert(p) : -1;
    if (end == PROBE_UNABLE) {
        doctor_say(d, DOCTOR_SKIP, "Tasmota", "this build of wolfSSL can't do what it does");
    } else if (doctor_answered(p, end) && probe_longest_record(p) > TASMOTA_FRAGMENT + RECORD_EXTRA) {
        doctor_say(d, DOCTOR_WARN, "Tasmota",
                   "on an ESP8266: \"TLS connection error: 6\", a record of %zu bytes where it has room for 1024; the "
                   "server has "
                   "to know the maximum fragment length",
                   probe_longest_record(p));
    } else if (doctor_answered(p, end) && x509_tasmota(&probe_chain(p)->v[0].key, false, digest)) {
        x509_hex(bytes_of(digest, X509_SHA1), ' ', text, sizeof(text));
        if (d->refuses_3_1_1)
            connects_unless_refused(d, "Tasmota", "MQT: Connect failed ..., rc 1", "");
        else if (probe_chain(p)->v[0].key.bits > TASMOTA_BITS)
            doctor_say(
                d, DOCTOR_WARN, "Tasmota",
                "on an ESP8266: the connection breaks off or takes half a minute, RSA-%u is too much for it; use "
                "RSA-2048",
                probe_chain(p)->v[0].key.bits);
        else if (d->wants_certificate)
            doctor_say(d, DOCTOR_WARN, "Tasmota",
                       "it has no client certificate (but in builds of its own for AWS), which the server wants");
        else
            doctor_say(d, DOCTOR_OK, "Tasmota", "connects, with SetOption103 1, SetOption132 1 and MqttFingerprint1 %s",
                       text);
    } else {
        doctor_say(
            d, DOCTOR_WARN, "Tasmota",
            "on an ESP8266: \"TLS connection error: %d\": %s; it needs TLS 1.2 with ECDHE-RSA-AES128-GCM-SHA256, P-256 "
            "and an RSA certificate (server.crt)",
            alert >= 0 ? 256 + alert : 31, why);
    }
    probe_close(p);
}

static bool is_ipv4(const char *host)
{
    return strspn(host, "0123456789.") == strlen(host);
}

static void judge_esp32(struct doctor *d)
{
    const struct x509 *c = &d->sent.v[0];
    if (!d->accepts[TLS_1_2] || (!d->has_rsa && !d->has_ecdsa))
        doctor_say(d, DOCTOR_WARN, "ESP32",
                   "\"(-30592) SSL - A fatal alert message was received from our peer\": it needs TLS 1.2");
    else if (d->spans)
        doctor_say(
            d, DOCTOR_WARN, "ESP32",
            "\"(-28800) SSL - The requested feature is not available\": a handshake message goes over several records; "
            "shorten the chain");
    else if (!d->complete)
        doctor_say(d, DOCTOR_WARN, "ESP32",
                   "\"(-9984) X509 - Certificate verification failed\": give setCACert the ca.crt that belongs to the "
                   "server's "
                   "certificate");
    else if (d->match == X509_NO_MATCH)
        doctor_say(d, DOCTOR_WARN, "ESP32",
                   "\"(-9984) X509 - Certificate verification failed\": connect by a name that is in the certificate");
    else if (d->is_address && is_ipv4(d->r->host) && !x509_has_dns_name(c, d->r->host))
        doctor_say(d, DOCTOR_WARN, "ESP32",
                   "\"(-9984) X509 - Certificate verification failed\" with mbedTLS before 3.5, which looks for the "
                   "address among "
                   "the names only: connect by name, or have it there as a name, too (`sotto cert` does that)");
    else
        connects_unless_refused(d, "ESP32", "failed, rc=1", " (WiFiClientSecure, mbedTLS), with setCACert");
}

static void judge_node_red(struct doctor *d)
{
    const struct x509 *c = &d->sent.v[0];
    bool root_sent = d->sent.n > 1 && x509_is_self_signed(&d->sent.v[d->sent.n - 1]);
    if (!d->complete && x509_is_self_signed(c))
        doctor_say(d, DOCTOR_WARN, "Node-RED", "\"self-signed certificate\": upload it as CA certificate, or use a CA");
    else if (!d->complete && root_sent)
        doctor_say(d, DOCTOR_WARN, "Node-RED",
                   "\"self-signed certificate in certificate chain\": upload ca.crt as CA certificate");
    else if (!d->complete)
        doctor_say(d, DOCTOR_WARN, "Node-RED",
                   "\"unable to verify the first certificate\": upload the right ca.crt as CA certificate");
    else if (!d->dates_are_good)
        doctor_say(d, DOCTOR_WARN, "Node-RED", "\"certificate has expired\" or \"not yet valid\": renew it");
    else if (d->match != X509_MATCH)
        doctor_say(d, DOCTOR_WARN, "Node-RED",
                   "\"Hostname/IP does not match certificate's altnames\": use a name that is in the certificate");
    else
        doctor_say(d, DOCTOR_OK, "Node-RED", "connects%s, with ca.crt as CA certificate where the CA is your own%s",
                   d->refuses_3_1_1 ? " when MQTT V5 is chosen as its protocol" : "", client_certificate(d));
}

static void judge_mqtt_fx(struct doctor *d)
{
    if (!d->accepts[TLS_1_2])
        doctor_say(d, DOCTOR_WARN, "MQTT.fx", "\"Received fatal alert: protocol_version\": old ones need TLS 1.2");
    else if (!d->complete)
        doctor_say(
            d, DOCTOR_WARN, "MQTT.fx",
            "\"PKIX path building failed: unable to find valid certification path to requested target\": give it the "
            "right ca.crt as CA certificate file");
    else if (!d->dates_are_good)
        doctor_say(d, DOCTOR_WARN, "MQTT.fx", "\"CertificateExpiredException\" or \"NotYetValid\": renew it");
    else if (d->match != X509_MATCH && d->is_address)
        doctor_say(
            d, DOCTOR_WARN, "MQTT.fx",
            "\"No subject alternative names matching IP address %s found\": make the certificate for it (--host)",
            d->r->host);
    else if (d->match != X509_MATCH)
        doctor_say(d, DOCTOR_WARN, "MQTT.fx", "\"No name matching %s found\": make the certificate for it (--host)",
                   d->r->host);
    else
        connects_unless_refused(d, "MQTT.fx", "Invalid protocol version",
                                ", with ca.crt as CA certificate file where the CA is your own");
}

void doctor_clients(struct doctor *d)
{
    if (d->sent.n == 0 || d->is_web)
        return;
    judge_tasmota(d);
    judge_esp32(d);
    judge_node_red(d);
    judge_mqtt_fx(d);
}
