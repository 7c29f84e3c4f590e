/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Eclipse Paho's C client (libpaho-mqtt3cs) speaks MQTT 5.0 with the broker, in this process. */
#include "e2e/e2e.h"

#include <MQTTClient.h>

static MQTTClient connect_to(struct broker *b, bool tls, const char *name, int expiry, bool start)
{
    MQTTClient c;
    char uri[64];
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer5;
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    MQTTClient_SSLOptions ssl = MQTTClient_SSLOptions_initializer;
    MQTTProperties props = MQTTProperties_initializer;
    MQTTProperty property = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL};

    create.MQTTVersion = MQTTVERSION_5;
    snprintf(uri, sizeof uri, "%s://127.0.0.1:%u", tls ? "ssl" : "tcp", b->ports[tls]);
    assert_int_equal(MQTTClient_createWithOptions(&c, uri, name, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create), 0);
    property.value.integer4 = (unsigned)expiry;
    MQTTProperties_add(&props, &property);
    options.cleanstart = start;
    ssl.trustStore = broker_path(b, "certs/ca.crt");
    ssl.verify = 1;
    options.ssl = tls ? &ssl : NULL;
    MQTTResponse r = MQTTClient_connect5(c, &options, &props, NULL);
    assert_int_equal(r.reasonCode, MQTTREASONCODE_SUCCESS);
    assert_non_null(r.properties);
    assert_true(MQTTProperties_hasProperty(r.properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM));
    assert_true(MQTTProperties_hasProperty(r.properties, MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM));
    MQTTResponse_free(r);
    MQTTProperties_free(&props);
    return c;
}

static void leave(MQTTClient c)
{
    assert_int_equal(MQTTClient_disconnect5(c, 2000, MQTTREASONCODE_SUCCESS, NULL), 0);
    MQTTClient_destroy(&c);
}

static void add_user(MQTTProperties *props, char *name, char *value)
{
    MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
    p.value.data = (MQTTLenString){(int)strlen(name), name};
    p.value.value = (MQTTLenString){(int)strlen(value), value};
    MQTTProperties_add(props, &p);
}

static void publish(MQTTClient c, const char *topic, const char *text, int qos)
{
    MQTTClient_message m = MQTTClient_message_initializer;
    MQTTClient_deliveryToken token = 0;
    m.payload = (void *)(uintptr_t)text;
    m.payloadlen = (int)strlen(text);
    m.qos = qos;
    add_user(&m.properties, "first", "one");
    add_user(&m.properties, "first", "two");
    MQTTResponse r = MQTTClient_publishMessage5(c, topic, &m, &token);
    assert_int_equal(r.reasonCode, MQTTREASONCODE_SUCCESS);
    MQTTResponse_free(r);
    if (qos > 0)
        assert_int_equal(MQTTClient_waitForCompletion(c, token, (unsigned long)waiting_ms()), 0);
    MQTTProperties_free(&m.properties);
}

static void expect(MQTTClient c, const char *topic, const char *text, int sub_id)
{
    MQTTClient_message *m = NULL;
    char *name = NULL;
    int n = 0;
    assert_int_equal(MQTTClient_receive(c, &name, &n, &m, (unsigned long)waiting_ms()), 0);
    assert_non_null(m);
    assert_string_equal(name, topic);
    assert_int_equal(m->payloadlen, (int)strlen(text));
    assert_memory_equal(m->payload, text, strlen(text));
    assert_int_equal(MQTTProperties_propertyCount(&m->properties, MQTTPROPERTY_CODE_USER_PROPERTY), 2);
    const MQTTProperty *second = MQTTProperties_getPropertyAt(&m->properties, MQTTPROPERTY_CODE_USER_PROPERTY, 1);
    assert_memory_equal(second->value.value.data, "two", 3);
    assert_int_equal(MQTTProperties_getNumericValue(&m->properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER), sub_id);
    MQTTClient_freeMessage(&m);
    MQTTClient_free(name);
}

static void subscribe(MQTTClient c, const char *filter, int qos, int sub_id)
{
    MQTTProperties props = MQTTProperties_initializer;
    MQTTProperty id = {.identifier = MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER};
    MQTTSubscribe_options options = MQTTSubscribe_options_initializer;
    id.value.integer4 = (unsigned)sub_id;
    MQTTProperties_add(&props, &id);
    MQTTResponse r = MQTTClient_subscribe5(c, filter, qos, &options, &props);
    assert_int_equal(r.reasonCode, qos);
    MQTTResponse_free(r);
    MQTTProperties_free(&props);
}

static void round_trip(struct broker *b, bool tls, const char *name)
{
    char topic[64], filter[64], unheard[64];
    snprintf(topic, sizeof topic, "%s/topic", name);
    snprintf(filter, sizeof filter, "%s/topic/#", name);
    snprintf(unheard, sizeof unheard, "%s/unheard", name);
    MQTTClient c = connect_to(b, tls, name, 60, true);
    subscribe(c, filter, 2, 42);
    publish(c, topic, "zero", 0);
    expect(c, topic, "zero", 42);
    publish(c, topic, "one", 1);
    expect(c, topic, "one", 42);
    publish(c, topic, "two", 2);
    expect(c, topic, "two", 42);
    publish(c, unheard, "nobody", 1);
    leave(c);

    MQTTClient other = connect_to(b, tls, "paho-v5-other", 0, true);
    publish(other, topic, "while it was away", 1);
    leave(other);
    c = connect_to(b, tls, name, 0, false);
    expect(c, topic, "while it was away", 42); /* the session was kept */
    leave(c);
}

static void paho_c_speaks_5_over_tcp__MQTT5_4_2_0_1(void **state)
{
    round_trip(*state, false, "paho-v5");
}

static void paho_c_speaks_5_over_tls__MQTT5_4_2_0_1(void **state)
{
    round_trip(*state, true, "paho-v5-tls");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paho_c_speaks_5_over_tcp__MQTT5_4_2_0_1),
        cmocka_unit_test(paho_c_speaks_5_over_tls__MQTT5_4_2_0_1),
    };
    return cmocka_run_group_tests(tests, broker_group_setup, broker_teardown);
}
