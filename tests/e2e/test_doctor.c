/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sotto doctor` at our own broker, at mosquitto, and at servers of openssl's that are wrong in some way. */
#include "e2e/e2e.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#define FOREIGN 3 /* the port for other servers */

static const char configuration[] =
    "[broker]\n"
    "data_dir = @DIR@\n"
    "threads = 1\n"
    "[auth]\n"
    "anonymous = on\n"
    "[listener.rsa]\n"
    "address = 127.0.0.1\n"
    "port = @P0@\n"
    "tls = on\n" RSA_PAIR
    "[listener.ec]\n"
    "address = 127.0.0.1\n"
    "port = @P1@\n"
    "tls = on\n"
    "min_version = 1.3\n" EC_PAIR
    "[listener.plain]\n"
    "address = 127.0.0.1\n"
    "port = @P2@\n"
    "mqtt_version = 3.1.1\n";

/* Shell commands in the folder of the test. */
static void shell(struct broker *b, const char *command)
{
    char line[2048];
    struct program p;
    snprintf(line, sizeof line, "cd '%s' && %s", b->dir, command);
    program_run(&p, 0, NULL, ARGV("sh", "-c", line));
    program_fini(&p);
}

static int group_setup(void **state)
{
    struct broker *b = broker_new(state);
    broker_make_certs(b, "certs");
    broker_write(b, "sotto.ini", configuration);
    broker_start(b);
    return 0;
}

/* What the doctor says of 127.0.0.1 or another name, with these texts in it; lines are "verdict what". */
static void doctor(struct broker *b, int status, const char *host, unsigned port, const char *ca,
                   const char *const texts[])
{
    char target[64];
    struct program p;
    snprintf(target, sizeof target, "%s:%u", host, b->ports[port]);
    if (ca != NULL)
        program_run(&p, status, NULL, ARGV(sotto_bin(), "doctor", target, "--cafile", broker_path(b, ca)));
    else
        program_run(&p, status, NULL, ARGV(sotto_bin(), "doctor", target));
    for (; *texts != NULL; texts++) {
        if (strstr(p.output, *texts) == NULL)
            fail_msg("'%s' is not in:\n%s", *texts, p.output);
    }
    program_fini(&p);
}

static void wait_for_port(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (struct waiting w = {0}; waiting(&w);) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int rc = connect(fd, (const struct sockaddr *)&a, sizeof a);
        close(fd);
        if (rc == 0)
            return;
    }
    fail_msg("nothing listens on port %u", port);
}

/* `openssl s_server` with these options, in the folder of the certificates. */
static void start_server(struct broker *b, struct program *p, const char *options)
{
    char line[1024];
    snprintf(line, sizeof line, "cd '%s/certs' && exec openssl s_server -accept 127.0.0.1:%u -quiet %s", b->dir,
             b->ports[FOREIGN], options);
    program_start(p, NULL, ARGV("sh", "-c", line));
    wait_for_port(b->ports[FOREIGN]);
}

static void nothing_is_wrong_with_our_own(void **state)
{
    doctor(*state, 0, "localhost", 0, "certs/ca.crt",
           ARGV("ok    protocol     TLS", "ok    chain        leads to \"Sotto CA ", "ok    name         ",
                "ok    dates        ", "ok    key          RSA, 2048 bits", "ok    TLS 1.2      accepted",
                "ok    TLS 1.3      accepted", "accepted: ECDHE-RSA-AES128-GCM-SHA256",
                "accepted: TLS13-AES128-GCM-SHA256", "ok    certificates RSA only",
                "ok    old versions TLS 1.0 and 1.1 are refused", "ok    fragments    records of 512 bytes",
                "ok    MQTT         3.1.1 is answered", "ok    MQTT 5       5.0 is answered, and lets",
                "ok    Tasmota      connects", "ok    ESP32        connects", "ok    Node-RED     connects",
                "ok    MQTT.fx      connects", " 0 failed"));
}

/* The fingerprint for Tasmota is the one that `cert show` prints. */
static void fingerprints_agree(void **state)
{
    struct broker *b = *state;
    char command[1024];
    snprintf(
        command, sizeof command,
        "'%s' doctor localhost:%u --cafile certs/ca.crt | sed -n 's/.*MqttFingerprint1 \\([0-9A-F ]*\\)$/\\1/p' > a && "
        "'%s' cert show certs/server.crt | sed -n 's/^  Tasmota   *\\([0-9A-F ]*[0-9A-F]\\) .*/\\1/p' > b && "
        "test $(wc -c < a) = 60 && cmp a b",
        sotto_bin(), b->ports[0], sotto_bin());
    shell(b, command);
}

static void a_narrow_listener_is_seen_through(void **state)
{
    doctor(*state, 0, "127.0.0.1", 1, "certs/ca.crt",
           ARGV("ok    key          ECDSA P-256", "warn  TLS 1.2      refused", "ok    TLS 1.3      accepted",
                "warn  Tasmota      on an ESP8266: \"TLS connection error: 326\"", "warn  ESP32        \"(-30592)",
                "ok    Node-RED"));
}

static void a_ca_that_is_not_known_fails(void **state)
{
    struct broker *b = *state;
    shell(b, "openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -subj /CN=other");
    doctor(b, 1, "127.0.0.1", 0, "other.crt",
           ARGV("fail  chain        leads to \"Sotto CA ", "other.crt", "\"(-9984)",
                "\"unable to verify the first certificate\"", "\"PKIX path building failed"));
    doctor(b, 1, "127.0.0.1", 0, NULL, ARGV("fail  chain", "--cafile ca.crt"));
}

static void plain_mqtt_is_told_from_tls(void **state)
{
    doctor(
        *state, 0, "127.0.0.1", 2, NULL,
        ARGV("warn  protocol     plain MQTT, no TLS", "ok    MQTT         3.1.1", "warn  MQTT 5       5.0 is refused"));
}

static void mqtt_5_alone_is_too_new_for_many(void **state)
{
    struct broker *b = *state, other;
    char text[1024];
    broker_init(&other);
    snprintf(text, sizeof text,
             "[broker]\ndata_dir = @DIR@\n[auth]\nanonymous = on\n[listener.new]\naddress = 127.0.0.1\nport = @P0@\n"
             "tls = on\nmqtt_version = 5\ncert = %s/certs/server.crt\nkey = %s/certs/server.key\n",
             b->dir, b->dir);
    broker_write(&other, "sotto.ini", text);
    broker_start(&other);
    snprintf(text, sizeof text, "'%s' doctor localhost:%u --cafile certs/ca.crt > new", sotto_bin(), other.ports[0]);
    shell(b, text);
    char *said = broker_read_file(b, "new");
    for (const char *const *line =
             ARGV("warn  MQTT         3.1.1 is refused", "ok    MQTT 5       5.0 is answered",
                  "warn  Tasmota      \"MQT: Connect failed", "warn  ESP32        \"failed, rc=1\"",
                  "ok    Node-RED     connects when MQTT V5", "warn  MQTT.fx      \"Invalid protocol version\"");
         *line != NULL; line++) {
        if (strstr(said, *line) == NULL)
            fail_msg("'%s' is not in:\n%s", *line, said);
    }
    free(said);
    broker_stop(&other);
    broker_fini(&other);
}

/* A server that still takes what is older than TLS 1.2. */
static void old_versions_are_warned_of(void **state)
{
    struct broker *b = *state;
    struct program p;
    start_server(b, &p, "-cert server.crt -key server.key -cipher ALL:@SECLEVEL=0");
    doctor(b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("ok    TLS 1.2      accepted", "warn  old versions TLS 1.0 and 1.1 are accepted"));
    program_fini(&p);
    start_server(b, &p, "-cert server.crt -key server.key -cipher ALL:@SECLEVEL=0 -no_tls1");
    doctor(b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt", ARGV("warn  old versions TLS 1.1 is accepted"));
    program_fini(&p);
}

/* TLS is well there, so only what answers tells it from a broker. */
static void a_web_server_is_no_broker(void **state)
{
    struct broker *b = *state;
    struct program p;
    char command[512];
    start_server(b, &p, "-cert server.crt -key server.key -www");
    doctor(b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt", ARGV("fail  MQTT         a web server"));
    snprintf(command, sizeof command, "! '%s' doctor 127.0.0.1:%u --cafile certs/ca.crt > web; ! grep Tasmota web",
             sotto_bin(), b->ports[FOREIGN]);
    shell(b, command);
    program_fini(&p);
}

static void what_does_not_answer_fails(void **state)
{
    struct broker *b = *state;
    struct program p;
    doctor(b, 1, "127.0.0.1", FOREIGN, NULL, ARGV("fail  connect      127.0.0.1", "nobody listens there"));
    doctor(b, 1, "nowhere.invalid", 0, NULL, ARGV("fail  address      nowhere.invalid"));
    /* It accepts, and is silent: 5 s for TLS, 5 s for plain MQTT. */
    char line[256];
    snprintf(line, sizeof line,
             "import socket,time; s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); "
             "s.bind((\"127.0.0.1\",%u)); s.listen(9); time.sleep(3600)",
             b->ports[FOREIGN]);
    if (program_exists("python3")) {
        program_start(&p, NULL, ARGV("python3", "-c", line));
        wait_for_port(b->ports[FOREIGN]);
        doctor(b, 1, "127.0.0.1", FOREIGN, NULL, ARGV("fail  protocol     neither TLS nor plain MQTT", "5 s"));
        program_fini(&p);
    }
}

/* The judge of names and dates, and of chains that are put together wrongly. */
static void wrong_certificates_are_named(void **state)
{
    struct broker *b = *state;
    struct program p;
    shell(b,
          "cd certs && : > index && echo 01 > serial && printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index\\n"
          "serial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\ncopy_extensions=copy\\n[p]\\n"
          "commonName=supplied\\n' > ca.cnf && "
          "openssl req -newkey rsa:3072 -nodes -keyout old.key -out old.csr -subj /CN=localhost && "
          "openssl ca -batch -notext -config ca.cnf -in old.csr -cert ca.crt -keyfile ca.key "
          "-startdate 20200101000000Z -enddate 20210101000000Z -out old.crt");
    start_server(b, &p, "-cert old.crt -key old.key -cert_chain ca.crt");
    doctor(b, 1, "localhost", FOREIGN, "certs/ca.crt",
           ARGV("fail  dates        \"localhost\" expired on 2021-01-01",
                "fail  name         localhost stands only in the", "warn  key          RSA with 3072 bits",
                "warn  Tasmota      on an ESP8266", "RSA-3072 is too much for it",
                "warn  root         the root is sent", "warn  Node-RED     \"certificate has expired\"",
                "warn  MQTT.fx      \"CertificateExpired"));
    program_fini(&p);
    start_server(b, &p, "-cert server.crt -key server.key -cert_chain server-ec.crt");
    doctor(b, 1, "broker.invalid.", FOREIGN, "certs/ca.crt", ARGV("fail  address"));
    doctor(b, 1, "127.0.0.2", FOREIGN, "certs/ca.crt", ARGV("fail  connect"));
    doctor(
        b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt",
        ARGV("warn  order        certificate 2 that is sent did not sign", "fail  MQTT         no answer to CONNECT"));
    program_fini(&p);
}

static void names_that_do_not_fit_are_named(void **state)
{
    struct broker *b = *state;
    struct program p;
    shell(b,
          "cd certs && openssl req -newkey rsa:2048 -nodes -keyout n.key -out n.csr -subj /CN=n && "
          "echo subjectAltName=DNS:other.example,IP:192.0.2.1 > n.ext && openssl x509 -req -in n.csr -CA ca.crt -CAkey "
          "ca.key -set_serial 7 -days 100 -extfile n.ext -out n.crt");
    start_server(b, &p, "-cert n.crt -key n.key");
    doctor(b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("fail  name         the certificate is not for 127.0.0.1 but for other.example, 192.0.2.1",
                "\"No subject alternative names matching IP address 127.0.0.1 found\"",
                "\"Hostname/IP does not match certificate's altnames\""));
    program_fini(&p);
    /* The address only as an address: too little for old mbedTLS. */
    shell(b,
          "cd certs && echo subjectAltName=IP:127.0.0.1 > n.ext && openssl x509 -req -in n.csr -CA ca.crt -CAkey "
          "ca.key -set_serial 8 -days 100 -extfile n.ext -out n.crt");
    start_server(b, &p, "-cert n.crt -key n.key");
    doctor(b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("ok    name         the certificate is for 127.0.0.1", "warn  ESP32        ", "mbedTLS before 3.5"));
    program_fini(&p);
}

static void what_the_server_wants_is_named(void **state)
{
    struct broker *b = *state;
    struct program p;
    start_server(b, &p, "-cert server.crt -key server.key -Verify 1");
    doctor(b, 0, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("warn  MQTT         not reached: ", "client certificate",
                "warn  Tasmota      it has no client certificate"));
    program_fini(&p);
    start_server(b, &p, "-cert server.crt -key server.key -Verify 1 -tls1_2");
    doctor(b, 0, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("warn  TLS 1.3      refused", "warn  MQTT         not reached: ", "client certificate"));
    program_fini(&p);
    start_server(b, &p, "-nocert -psk 1234");
    doctor(b, 0, "127.0.0.1", FOREIGN, NULL,
           ARGV("warn  protocol     TLS, and it wants a pre-shared key", "--psk-identity NAME --psk HEXKEY"));
    program_fini(&p);
    start_server(b, &p, "-nocert -psk 1234 -tls1_3");
    doctor(b, 1, "127.0.0.1", FOREIGN, NULL, ARGV("fail  protocol     TLS, but nothing in common", "pre-shared key"));
    program_fini(&p);
    start_server(b, &p, "-cert server.crt -key server.key -cipher DHE-RSA-AES128-GCM-SHA256 -tls1_2");
    doctor(b, 1, "127.0.0.1", FOREIGN, NULL,
           ARGV("fail  protocol     TLS, but nothing in common", "no suite with ECDHE"));
    program_fini(&p);
    start_server(b, &p, "-cert server.crt -key server.key -tls1_1 -cipher ALL:@SECLEVEL=0");
    doctor(b, 1, "127.0.0.1", FOREIGN, NULL,
           ARGV("fail  protocol     TLS, but nothing in common", "older than TLS 1.2"));
    program_fini(&p);
}

/* Our own listeners with shared keys: of either version, and beside a certificate. */
/* In TLS 1.3, wolfSSL 5.5 has the same alert for a key that it doesn't know as for none: then it stays a guess. */
static void shared_keys_are_recognized(void **state)
{
    static const char *const said[] = {"warn  protocol     TLS, and it wants a pre-shared key",
                                       "protocol     TLS, .* (seems to want|or it wants) a pre-shared key",
                                       "ok    shared keys  taken besides certificates"};
    struct broker *b = *state, other;
    char text[2048];
    broker_init(&other);
    broker_write(&other, "psk.txt", "lamp:0123456789abcdef0123456789abcdef\n");
    broker_write(&other, "users.ini", "[*]\nsubscribe = #\n");
    snprintf(text, sizeof text,
             "[broker]\ndata_dir = @DIR@\n[auth]\nanonymous = on\nusers = users.ini\n"
             "[listener.old]\naddress = 127.0.0.1\nport = @P0@\ntls = on\npsk_file = psk.txt\nmax_version = 1.2\n"
             "[listener.new]\naddress = 127.0.0.1\nport = @P1@\ntls = on\npsk_file = psk.txt\nmin_version = 1.3\n"
             "[listener.both]\naddress = 127.0.0.1\nport = @P2@\ntls = on\npsk_file = psk.txt\n"
             "cert = %s/certs/server.crt\nkey = %s/certs/server.key\n",
             b->dir, b->dir);
    broker_write(&other, "sotto.ini", text);
    broker_start(&other);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "'%s' doctor localhost:%u --cafile certs/ca.crt > keys; grep -Eq '%s' keys",
                 sotto_bin(), other.ports[i], said[i]);
        shell(b, text);
    }
    /* Who has no key is told so. */
    for (unsigned i = 0; i < 2; i++) {
        snprintf(text, sizeof text,
                 "openssl s_client -connect 127.0.0.1:%u 2>&1 </dev/null | grep -q 'alert number 40'", other.ports[i]);
        shell(b, text);
    }
    broker_expect_log(&other, "the client has no shared key to show");
    broker_stop(&other);
    broker_fini(&other);
}

static void both_kinds_and_resumption_of_openssl(void **state)
{
    struct broker *b = *state;
    struct program p;
    start_server(b, &p, "-cert server.crt -key server.key -dcert server-ec.crt -dkey server-ec.key");
    doctor(b, 1, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("ok    certificates RSA for those who know nothing else, and ECDSA", "ok    resume 1.2",
                "ok    fragments"));
    program_fini(&p);
}

static void mosquitto_is_well(void **state)
{
    struct broker *b = *state;
    struct program p;
    char text[1024];
    if (!program_exists("mosquitto") && access("/usr/sbin/mosquitto", X_OK) != 0) {
        print_message("skipped: there is no mosquitto\n");
        skip();
    }
    snprintf(text, sizeof text,
             "listener %u 127.0.0.1\nallow_anonymous false\ncertfile %s/certs/server.crt\nkeyfile %s/certs/server.key\n"
             "user root\n",
             b->ports[FOREIGN], b->dir, b->dir);
    broker_write(b, "mosquitto.conf", text);
    snprintf(text, sizeof text, "PATH=$PATH:/usr/sbin exec mosquitto -c '%s'", broker_path(b, "mosquitto.conf"));
    program_start(&p, NULL, ARGV("sh", "-c", text));
    wait_for_port(b->ports[FOREIGN]);
    doctor(b, 0, "127.0.0.1", FOREIGN, "certs/ca.crt",
           ARGV("ok    MQTT         3.1.1 is answered, and wants a user name",
                "ok    MQTT 5       5.0 is answered, and wants a user name", "ok    resume 1.2", "ok    resume 1.3",
                "ok    Tasmota      connects"));
    program_fini(&p);
}

static void wrong_usage_is_told(void **state)
{
    static const char *const wrong[] = {
        "nothing", "a:b", ":8883", "host:", "host:0", "host:65536", "::1:8883", "[::1]"};
    struct program p;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        program_run(&p, 2, NULL, ARGV(sotto_bin(), "doctor", wrong[i]));
        program_fini(&p);
    }
    program_run(&p, 2, NULL, ARGV(sotto_bin(), "doctor"));
    program_fini(&p);
    program_run(&p, 2, NULL, ARGV(sotto_bin(), "doctor", "a:1", "--cafile"));
    program_fini(&p);
    program_run(&p, 1, NULL, ARGV(sotto_bin(), "doctor", "127.0.0.1:1", "--cafile", "/nowhere/ca.crt"));
    assert_non_null(strstr(p.output, "/nowhere/ca.crt"));
    program_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_wrong_with_our_own),
        cmocka_unit_test(fingerprints_agree),
        cmocka_unit_test(a_narrow_listener_is_seen_through),
        cmocka_unit_test(a_ca_that_is_not_known_fails),
        cmocka_unit_test(plain_mqtt_is_told_from_tls),
        cmocka_unit_test(mqtt_5_alone_is_too_new_for_many),
        cmocka_unit_test(old_versions_are_warned_of),
        cmocka_unit_test(a_web_server_is_no_broker),
        cmocka_unit_test(what_does_not_answer_fails),
        cmocka_unit_test(wrong_certificates_are_named),
        cmocka_unit_test(names_that_do_not_fit_are_named),
        cmocka_unit_test(what_the_server_wants_is_named),
        cmocka_unit_test(shared_keys_are_recognized),
        cmocka_unit_test(both_kinds_and_resumption_of_openssl),
        cmocka_unit_test(mosquitto_is_well),
        cmocka_unit_test(wrong_usage_is_told),
    };
    if (!program_exists("openssl")) {
        print_message("skipped: there is no openssl\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, group_setup, broker_teardown);
}
