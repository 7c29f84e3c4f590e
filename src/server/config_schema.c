/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Every key there is, once. The parser, its messages, the defaults and docs/configuration.md come from these rows; a
 * key without a row is refused. To add a key: give it a field in config.h, a row here, and write docs/configuration.md
 * anew with `sotto help --reference`.
 */
#include "config_schema.h"

#include "sotto/codec/packet.h"

#define GLOBAL(field) offsetof(struct config, field), sizeof(((struct config *)NULL)->field)
#define LISTENER(field) offsetof(struct config_listener, field), sizeof(((struct config_listener *)NULL)->field)
#define PAIR(field) offsetof(struct tls_pair_files, field), sizeof(((struct tls_pair_files *)NULL)->field)
#define NOWHERE 0, 0

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define HOUR_MS UINT64_C(3600000)
#define DAY UINT64_C(86400)

static const struct config_choice switches[] = {{"on", 1}, {"off", 0}, {NULL, 0}};
static const struct config_choice automatic[] = {{"auto", 0}, {NULL, 0}};
static const struct config_choice durabilities[] = {
    {"commit", DURABILITY_COMMIT}, {"interval", DURABILITY_INTERVAL}, {"off", DURABILITY_OFF}, {NULL, 0}};
static const struct config_choice levels[] = {
    {"error", LOG_ERROR}, {"warn", LOG_WARN}, {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {NULL, 0}};
static const struct config_choice targets[] = {
    {"stderr", LOG_TO_STDERR}, {"stdout", LOG_TO_STDOUT}, {"syslog", LOG_TO_SYSLOG}, {NULL, 0}};
static const struct config_choice formats[] = {{"text", LOG_TEXT}, {"json", LOG_JSON}, {NULL, 0}};
static const struct config_choice policies[] = {{"drop_oldest", QUEUE_DROP_OLDEST},
                                                {"drop_newest", QUEUE_DROP_NEWEST},
                                                {"disconnect", QUEUE_DISCONNECT},
                                                {NULL, 0}};
static const struct config_choice protocols[] = {{"mqtt", 0}, {NULL, 0}};
static const struct config_choice versions[] = {
    {"3.1", 1 << PROTO_31}, {"3.1.1", 1 << PROTO_311}, {"5", 1 << PROTO_5}, {NULL, 0}};
static const struct config_choice tls_versions[] = {{"1.2", TLS_1_2}, {"1.3", TLS_1_3}, {NULL, 0}};
static const struct config_choice client_certs[] = {{"none", TLS_CLIENT_CERT_NONE},
                                                    {"optional", TLS_CLIENT_CERT_OPTIONAL},
                                                    {"required", TLS_CLIENT_CERT_REQUIRED},
                                                    {NULL, 0}};
static const struct config_choice cert_users[] = {{"none", TLS_CLIENT_CERT_USER_NONE},
                                                  {"cn", TLS_CLIENT_CERT_USER_CN},
                                                  {"san", TLS_CLIENT_CERT_USER_SAN},
                                                  {"spki", TLS_CLIENT_CERT_USER_SPKI},
                                                  {NULL, 0}};
static const struct config_choice passwords[] = {{"required", AUTH_PASSWORD_REQUIRED},
                                                 {"optional", AUTH_PASSWORD_OPTIONAL},
                                                 {"none", AUTH_PASSWORD_NONE},
                                                 {NULL, 0}};

const char *const config_sections[] = {"broker", "log", "auth", "limits", "listener.NAME", NULL};

const struct config_key config_keys[] = {
    {"broker", "threads", VALUE_NUMBER, GLOBAL(threads), 1, 256, automatic, "auto", NULL,
     "Loop threads. auto: one per core."},
    {"broker", "data_dir", VALUE_PATH, GLOBAL(data_dir), 0, 0, NULL, "/var/lib/sotto", NULL,
     "The folder for what the broker keeps. It must be writable for the user that the broker runs as."},
    {"broker", "user", VALUE_TEXT, GLOBAL(user), 0, 0, NULL, NULL, "sotto, where there is such a user",
     "The user to become after binding and reading keys, when started as root."},
    {"broker", "persistence", VALUE_CHOICE, GLOBAL(persistence), 0, 0, switches, "on", NULL,
     "Whether sessions, their queues and retained messages are stored in data_dir; off: they end with the broker."},
    {"broker", "durability", VALUE_CHOICE, GLOBAL(durability), 0, 0, durabilities, "commit", NULL,
     "When a message is acknowledged: when it is on disk; at once, and it is written within flush_interval; the same, "
     "but never synced. See store.md."},
    {"broker", "flush_interval", VALUE_MS, GLOBAL(flush_interval), 10, HOUR_MS, NULL, "1s", NULL,
     "How often is written with durability interval and off."},
    {"broker", "retained_flush", VALUE_MS, GLOBAL(retained_flush), 100, 24 * HOUR_MS, NULL, "30s", NULL,
     "How often retained messages of QoS 0 are written, the last one of each topic; and when the broker stops."},
    {"log", "level", VALUE_CHOICE, GLOBAL(log.level), 0, 0, levels, "info", NULL,
     "What is logged: events of this level and the ones before it."},
    {"log", "target", VALUE_TARGET, GLOBAL(log.target), 0, 0, targets, "stderr", NULL,
     "Where to: a stream, the system's log, or a file (opened again on SIGUSR1)."},
    {"log", "format", VALUE_CHOICE, GLOBAL(log.format), 0, 0, formats, "text", NULL,
     "Lines for people (time, level, event, key=value), or one JSON object a line."},
    {"log", "tls_keylog", VALUE_PATH, GLOBAL(tls_keylog), 0, 0, NULL, NULL, "none",
     "A file for the secrets of all TLS connections, for Wireshark: who reads it, reads everything. Only to find a "
     "fault."},
    {"auth", "anonymous", VALUE_CHOICE, GLOBAL(anonymous), 0, 0, switches, "off", NULL,
     "Whether clients may connect without a user name. A user name that is given is always checked."},
    {"auth", "users", VALUE_PATH, GLOBAL(users), 0, 0, NULL, NULL, "none",
     "The file with users, their passwords and rights; made by `sotto passwd FILE USER`."},
    {"limits", "max_connections", VALUE_NUMBER, GLOBAL(limits.max_connections), 1, 16000000, automatic, "auto",
     "auto: the open-file limit (raised to the hard one) less 64", "Connections at a time."},
    {"limits", "connect_timeout", VALUE_MS, GLOBAL(limits.connect_timeout), 100, HOUR_MS, NULL, "10s", NULL,
     "Time from the connection to a whole CONNECT, TLS handshake included; the broker's own queues don't count."},
    {"limits", "max_handshakes", VALUE_NUMBER, GLOBAL(limits.max_handshakes), 1, 65535, NULL, "256", NULL,
     "TLS handshakes in progress at a time, from the client's whole hello on, without those whose client is silent for "
     "more than a second. Who comes then waits."},
    {"limits", "max_packet_size", VALUE_SIZE, GLOBAL(limits.max_packet_size), 64, 256 * MIB, NULL, "1M", NULL,
     "The largest packet a client may send, header included."},
    {"limits", "max_inflight", VALUE_NUMBER, GLOBAL(limits.max_inflight), 1, 65535, NULL, "20", NULL,
     "QoS 1 and 2 messages that are sent to a session and not acknowledged yet. Clients of MQTT 5.0 say it themselves "
     "(at "
     "most 1000)."},
    {"limits", "max_queued_messages", VALUE_NUMBER, GLOBAL(limits.max_queued_messages), 1, 100000000, NULL, "1000",
     NULL, "Messages of QoS 1 and 2 that wait for a session, behind those in flight."},
    {"limits", "max_queued_bytes", VALUE_SIZE, GLOBAL(limits.max_queued_bytes), KIB, 1024 * GIB, NULL, "16M", NULL,
     "Bytes of all messages that wait for a session, of QoS 0 too; and once more of those that it has not acknowledged "
     "yet."},
    {"limits", "queue_policy", VALUE_CHOICE, GLOBAL(limits.queue_policy), 0, 0, policies, "drop_oldest", NULL,
     "What happens when a session's queue is full."},
    {"limits", "max_retained_messages", VALUE_NUMBER, GLOBAL(limits.max_retained_messages), 1, 1000000000, NULL,
     "1000000", NULL, "Retained messages, all topics."},
    {"limits", "max_retained_bytes", VALUE_SIZE, GLOBAL(limits.max_retained_bytes), KIB, 1024 * GIB, NULL, "256M", NULL,
     "The same, in bytes."},
    {"limits", "max_subscriptions", VALUE_NUMBER, GLOBAL(limits.max_subscriptions), 1, 10000000, NULL, "10000", NULL,
     "Subscriptions a session; and 1K of filters for each, on average."},
    {"limits", "max_topic_levels", VALUE_NUMBER, GLOBAL(limits.max_topic_levels), 1, 65535, NULL, "200", NULL,
     "Levels (the parts between slashes) of a topic or filter."},
    {"limits", "max_user_properties", VALUE_NUMBER, GLOBAL(limits.max_user_properties), 0, 65535, NULL, "64", NULL,
     "User properties in one CONNECT, PUBLISH, SUBSCRIBE or UNSUBSCRIBE of MQTT 5.0."},
    {"limits", "max_keepalive", VALUE_SECONDS, GLOBAL(limits.max_keepalive), 0, 65535, NULL, "0", NULL,
     "The longest keep-alive a client may ask for; 0: no limit. Clients of MQTT 5.0 are told to use it."},
    {"limits", "max_session_expiry", VALUE_SECONDS, GLOBAL(limits.max_session_expiry), 0, 49710 * DAY, NULL, "60d",
     NULL, "How long a session outlives its connection at most, those of 3.1 and 3.1.1 too."},
    {"limits", "max_memory", VALUE_SIZE, GLOBAL(limits.max_memory), 16 * MIB, 1024 * GIB, automatic, "auto",
     "auto: half of the machine's memory, or of what the control group (a container, a unit) may take",
     "Memory of all messages, sessions, subscriptions and buffers. From seven eighths of it on no queue grows, and no "
     "session, subscription or retained message is added; above it nothing is taken at all."},
    {"listener", "address", VALUE_ADDRESS, LISTENER(address), 0, 0, NULL, "::", NULL,
     "A host address; `::` is all addresses, IPv4 and IPv6; `unix:PATH` is a unix socket."},
    {"listener", "port", VALUE_NUMBER, LISTENER(port), 1, 65535, NULL, NULL, "1883; 8883 with TLS",
     "The port. A unix socket has none."},
    {"listener", "protocol", VALUE_CHOICE, NOWHERE, 0, 0, protocols, "mqtt", NULL, "What is spoken."},
    {"listener", "mqtt_version", VALUE_FLAGS, LISTENER(versions), 0, 0, versions, NULL, "all that there are",
     "Which versions of MQTT are let in. A list: repeat the key."},
    {"listener", "tls", VALUE_CHOICE, LISTENER(tls), 0, 0, switches, "off", NULL, "Whether connections are encrypted."},
    {"listener", "cert", VALUE_PAIR_PATH, PAIR(cert), 0, 0, NULL, NULL, "none",
     "The server's certificate, PEM; the intermediate ones may follow in the same file. Each further `cert` is another "
     "certificate (RSA beside ECDSA, other names), and `key`, `chain` and `key_passphrase_file` belong to the `cert` "
     "above "
     "them. The first one is the default."},
    {"listener", "key", VALUE_PAIR_PATH, PAIR(key), 0, 0, NULL, NULL, "none",
     "The certificate's private key, PEM: PKCS#8, PKCS#1 or SEC1."},
    {"listener", "chain", VALUE_PAIR_PATH, PAIR(chain), 0, 0, NULL, NULL, "none",
     "The intermediate certificates, PEM, where they stand in a file of their own."},
    {"listener", "key_passphrase_file", VALUE_PAIR_PATH, PAIR(key_passphrase_file), 0, 0, NULL, NULL, "none",
     "A file whose first line opens the key, where that is locked with a passphrase."},
    {"listener", "client_ca", VALUE_PATH, LISTENER(client_ca), 0, 0, NULL, NULL, "none",
     "The CAs that issue the clients' certificates, PEM or DER."},
    {"listener", "client_cert", VALUE_CHOICE, LISTENER(client_cert), 0, 0, client_certs, "none", NULL,
     "Whether clients show a certificate. One that is shown must be good, with optional too."},
    {"listener", "client_cert_user", VALUE_CHOICE, LISTENER(client_cert_user), 0, 0, cert_users, "none", NULL,
     "The user name taken from the certificate, in place of the one in CONNECT: the common name, the first alternative "
     "name (DNS, else e-mail, else URI), or the SHA-256 of its public key in base64url. none: the certificate only "
     "opens the door."},
    {"listener", "password", VALUE_CHOICE, LISTENER(password), 0, 0, passwords, "optional", NULL,
     "A password in CONNECT besides a certificate or shared key that names the user: must be there; must be right if "
     "it "
     "is there; is not looked at."},
    {"listener", "crl", VALUE_PATH, LISTENER(crl), 0, 0, NULL, NULL, "none",
     "The revocation lists of all CAs in client_ca, PEM or DER; made by `sotto cert revoke DIR NAME`."},
    {"listener", "psk_file", VALUE_PATH, LISTENER(psk_file), 0, 0, NULL, NULL, "none",
     "Pre-shared keys: lines IDENTITY:HEXKEY. The identity is the user name."},
    {"listener", "min_version", VALUE_CHOICE, LISTENER(min_version), 0, 0, tls_versions, "1.2", NULL,
     "The oldest version of TLS."},
    {"listener", "max_version", VALUE_CHOICE, LISTENER(max_version), 0, 0, tls_versions, "1.3", NULL,
     "The newest version of TLS."},
    {"listener", "ciphers", VALUE_TEXT, LISTENER(ciphers), 0, 0, NULL, NULL, "ECDHE with AEAD only",
     "TLS suites, separated by colons, by the names of OpenSSL or IANA."},
    {"listener", "ticket_lifetime", VALUE_SECONDS, LISTENER(ticket_lifetime), 0, 7 * DAY, NULL, "1d", NULL,
     "How long a client may take up its TLS session again instead of a full handshake; 0: never."},
    {"listener", "anonymous", VALUE_CHOICE, LISTENER(anonymous), 0, 0, switches, NULL, "as in [auth]",
     "Overrides [auth] for this listener."},
    {NULL, NULL, VALUE_TEXT, NOWHERE, 0, 0, NULL, NULL, NULL, NULL},
};

_Static_assert(sizeof config_keys / sizeof config_keys[0] <= CONFIG_KEYS_MAX, "lines are kept per row");
