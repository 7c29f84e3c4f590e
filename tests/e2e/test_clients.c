/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Other people's clients, from Debian's packages: mosquitto's programs and paho for Python. */
#include "e2e/e2e.h"

#define PYTHON "/usr/bin/python3"

static void need(const char *program, const char *package)
{
    if (program_exists(program))
        return;
    print_message("skipped: there is no %s (package %s)\n", program, package);
    skip();
}

/* mosquitto_sub gets three messages from mosquitto_pub, both over this port, at this QoS. */
static void mosquitto_pair(struct broker *b, bool tls, const char *qos, const char *version)
{
    struct program sub, pub;
    char port[8], topic[64];
    const char *how = tls ? "--cafile" : "--id-prefix";
    const char *what = tls ? broker_path(b, "certs/ca.crt") : "mosq";

    snprintf(port, sizeof port, "%u", b->ports[tls]);
    snprintf(topic, sizeof topic, "mosquitto/%d/%s/%s", tls, qos, version);
    /* stdbuf: what it writes can be read at once. */
    program_start(&sub, NULL,
                  ARGV("stdbuf", "-oL", "mosquitto_sub", "-d", "-h", "127.0.0.1", "-p", port, how, what, "-V", version,
                       "-q", qos, "-t", topic, "-C", "3", "-F", "got %p"));
    program_expect(&sub, "Subscribed");
    program_run(
        &pub, 0, "one\ntwo\nthree\n",
        ARGV("mosquitto_pub", "-h", "127.0.0.1", "-p", port, how, what, "-V", version, "-q", qos, "-t", topic, "-l"));
    program_fini(&pub);
    program_wait(&sub);
    assert_int_equal(sub.status, 0);
    const char *one = strstr(sub.output, "got one\n"), *two = strstr(sub.output, "got two\n");
    const char *three = strstr(sub.output, "got three\n");
    if (one == NULL || two == NULL || three == NULL || one > two || two > three)
        fail_msg("mosquitto_sub received:\n%s", sub.output);
    program_fini(&sub);
}

static void mosquitto_clients_over_tcp__MQTT_7_0_0_2(void **state)
{
    need("mosquitto_sub", "mosquitto-clients");
    mosquitto_pair(*state, false, "0", "311");
    mosquitto_pair(*state, false, "1", "311");
    mosquitto_pair(*state, false, "2", "311");
    mosquitto_pair(*state, false, "1", "31");
    mosquitto_pair(*state, false, "0", "5");
    mosquitto_pair(*state, false, "1", "5");
    mosquitto_pair(*state, false, "2", "5");
}

static void mosquitto_clients_over_tls__MQTT_7_0_0_2(void **state)
{
    need("mosquitto_sub", "mosquitto-clients");
    mosquitto_pair(*state, true, "0", "311");
    mosquitto_pair(*state, true, "1", "311");
    mosquitto_pair(*state, true, "2", "311");
    mosquitto_pair(*state, true, "2", "5");
}

static void mosquitto_pub_sends_a_retained_file_that_mosquitto_sub_gets_later(void **state)
{
    struct broker *b = *state;
    struct program pub, sub;
    char port[8];

    need("mosquitto_sub", "mosquitto-clients");
    snprintf(port, sizeof port, "%u", b->ports[0]);
    broker_write(b, "payload", "kept for later");
    program_run(&pub, 0, NULL,
                ARGV("mosquitto_pub", "-h", "127.0.0.1", "-p", port, "-q", "1", "-r", "-t", "kept/file", "-f",
                     broker_path(b, "payload")));
    program_fini(&pub);
    program_run(&sub, 0, NULL, ARGV("mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-t", "kept/#", "-C", "1", "-v"));
    assert_string_equal(sub.output, "kept/file kept for later\n");
    program_fini(&sub);
}

static void paho_python(struct broker *b, bool tls)
{
    struct program python;
    char script[512], port[8];
    const char *source = getenv("SOTTO_SOURCE");

    need(PYTHON, "python3");
    program_start(&python, NULL, ARGV(PYTHON, "-c", "import paho.mqtt.client"));
    program_wait(&python);
    bool there = python.status == 0;
    program_fini(&python);
    if (!there) {
        print_message("skipped: Python has no paho.mqtt (package python3-paho-mqtt)\n");
        skip();
    }
    assert_non_null(source);
    snprintf(script, sizeof script, "%s/tests/e2e/clients/paho_round_trip.py", source);
    snprintf(port, sizeof port, "%u", b->ports[tls]);
    program_run(&python, 0, NULL, ARGV(PYTHON, script, port, tls ? broker_path(b, "certs/ca.crt") : ""));
    assert_non_null(strstr(python.output, "30 messages came back"));
    program_fini(&python);
}

static void paho_for_python_over_tcp__MQTT_7_0_0_2(void **state)
{
    paho_python(*state, false);
}

static void paho_for_python_over_tls__MQTT_7_0_0_2(void **state)
{
    paho_python(*state, true);
}

/* Debian's node-mqtt lies where only Debian's Node looks by itself. */
static void mqttjs(struct broker *b, bool tls)
{
    struct program node;
    char script[512], port[8];
    const char *source = getenv("SOTTO_SOURCE");

    need("node", "nodejs");
    setenv("NODE_PATH", "/usr/share/nodejs", 0);
    program_start(&node, NULL, ARGV("node", "-e", "require('mqtt')"));
    program_wait(&node);
    bool there = node.status == 0;
    program_fini(&node);
    if (!there) {
        print_message("skipped: Node.js has no mqtt (package node-mqtt)\n");
        skip();
    }
    assert_non_null(source);
    snprintf(script, sizeof script, "%s/tests/e2e/clients/mqttjs_round_trip.js", source);
    snprintf(port, sizeof port, "%u", b->ports[tls]);
    program_run(&node, 0, NULL, ARGV("node", script, port, tls ? broker_path(b, "certs/ca.crt") : ""));
    assert_non_null(strstr(node.output, "all came back"));
    program_fini(&node);
}

static void mqttjs_speaks_5_over_tcp__MQTT5_4_2_0_1(void **state)
{
    mqttjs(*state, false);
}

static void mqttjs_speaks_5_over_tls__MQTT5_4_2_0_1(void **state)
{
    mqttjs(*state, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mosquitto_clients_over_tcp__MQTT_7_0_0_2),
        cmocka_unit_test(mosquitto_clients_over_tls__MQTT_7_0_0_2),
        cmocka_unit_test(mosquitto_pub_sends_a_retained_file_that_mosquitto_sub_gets_later),
        cmocka_unit_test(paho_for_python_over_tcp__MQTT_7_0_0_2),
        cmocka_unit_test(paho_for_python_over_tls__MQTT_7_0_0_2),
        cmocka_unit_test(mqttjs_speaks_5_over_tcp__MQTT5_4_2_0_1),
        cmocka_unit_test(mqttjs_speaks_5_over_tls__MQTT5_4_2_0_1),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
