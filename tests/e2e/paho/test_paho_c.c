/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Eclipse Paho's C client (libpaho-mqtt3as, with OpenSSL), in this process, against the broker. */
#include "e2e/e2e.h"

#include <MQTTAsync.h>
#include <pthread.h>
#include <time.h>

#define MESSAGES 30

struct conversation {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    MQTTAsync handle;
    int connected, subscribed, arrived, failed;
    int payloads[3 * MESSAGES];
    char topic[64];
};

static void set(struct conversation *c, int *flag)
{
    pthread_mutex_lock(&c->lock);
    ++*flag;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void wait_for(struct conversation *c, const int *flag, int value, const char *what)
{
    struct timespec until;
    int late = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += waiting_ms() / 1000;
    pthread_mutex_lock(&c->lock);
    while (*flag < value && !c->failed && late == 0)
        late = pthread_cond_timedwait(&c->changed, &c->lock, &until);
    int reached = *flag;
    pthread_mutex_unlock(&c->lock);
    if (reached < value)
        fail_msg("paho: %s: %d of %d%s", what, reached, value, c->failed ? ", and a failure was reported" : "");
}

static void on_connect(void *context, MQTTAsync_successData *response)
{
    (void)response;
    set(context, &((struct conversation *)context)->connected);
}

static void on_subscribe(void *context, MQTTAsync_successData *response)
{
    (void)response;
    set(context, &((struct conversation *)context)->subscribed);
}

static void on_failure(void *context, MQTTAsync_failureData *response)
{
    print_message("paho: code %d, %s\n", response->code, response->message != NULL ? response->message : "no message");
    set(context, &((struct conversation *)context)->failed);
}

static int on_message(void *context, char *topic, int topic_size, MQTTAsync_message *message)
{
    struct conversation *c = context;
    char text[16] = {0};

    (void)topic_size;
    memcpy(text, message->payload, (size_t)message->payloadlen < sizeof text - 1 ? (size_t)message->payloadlen : 15);
    pthread_mutex_lock(&c->lock);
    if (c->arrived < 3 * MESSAGES)
        c->payloads[c->arrived] = message->qos * 1000 + atoi(text);
    c->arrived++;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void publish_all(struct conversation *c)
{
    char text[16];

    for (int qos = 0; qos < 3; qos++) {
        for (int i = 0; i < MESSAGES; i++) {
            snprintf(text, sizeof text, "%d", i);
            int result = MQTTAsync_send(c->handle, c->topic, (int)strlen(text), text, qos, 0, NULL);
            assert_int_equal(result, MQTTASYNC_SUCCESS);
        }
    }
}

static void check_order(const struct conversation *c)
{
    int next[3] = {0, 0, 0};

    for (int i = 0; i < 3 * MESSAGES; i++) {
        int qos = c->payloads[i] / 1000, number = c->payloads[i] % 1000;
        assert_in_range(qos, 0, 2);
        assert_int_equal(number, next[qos]);
        next[qos]++;
    }
}

static void round_trip(const char *uri, const char *name, const char *ca_file)
{
    struct conversation c = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    MQTTAsync_disconnectOptions leave = MQTTAsync_disconnectOptions_initializer;

    snprintf(c.topic, sizeof c.topic, "%s/topic", name);
    assert_int_equal(MQTTAsync_create(&c.handle, uri, name, MQTTCLIENT_PERSISTENCE_NONE, NULL), MQTTASYNC_SUCCESS);
    MQTTAsync_setCallbacks(c.handle, &c, NULL, on_message, NULL);
    ssl.trustStore = ca_file;
    ssl.verify = 1;
    options.context = &c;
    options.onSuccess = on_connect;
    options.onFailure = on_failure;
    options.MQTTVersion = MQTTVERSION_3_1_1;
    options.ssl = ca_file != NULL ? &ssl : NULL;
    assert_int_equal(MQTTAsync_connect(c.handle, &options), MQTTASYNC_SUCCESS);
    wait_for(&c, &c.connected, 1, "connecting");
    response.context = &c;
    response.onSuccess = on_subscribe;
    response.onFailure = on_failure;
    assert_int_equal(MQTTAsync_subscribe(c.handle, c.topic, 2, &response), MQTTASYNC_SUCCESS);
    wait_for(&c, &c.subscribed, 1, "subscribing");
    publish_all(&c);
    wait_for(&c, &c.arrived, 3 * MESSAGES, "receiving");
    check_order(&c);
    leave.timeout = 2000;
    MQTTAsync_disconnect(c.handle, &leave);
    MQTTAsync_destroy(&c.handle);
}

static void paho_c_over_tcp__MQTT_7_0_0_2(void **state)
{
    struct broker *b = *state;
    char uri[64];

    snprintf(uri, sizeof uri, "tcp://127.0.0.1:%u", b->ports[0]);
    round_trip(uri, "paho-c", NULL);
}

static void paho_c_over_tls__MQTT_7_0_0_2(void **state)
{
    struct broker *b = *state;
    char uri[64];

    snprintf(uri, sizeof uri, "ssl://127.0.0.1:%u", b->ports[1]);
    round_trip(uri, "paho-c-tls", broker_path(b, "certs/ca.crt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paho_c_over_tcp__MQTT_7_0_0_2),
        cmocka_unit_test(paho_c_over_tls__MQTT_7_0_0_2),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
