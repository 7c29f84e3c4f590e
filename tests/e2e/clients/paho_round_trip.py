# SPDX-License-Identifier: GPL-3.0-or-later
"""Paho publishes ten messages at each QoS to itself, with a kept session and a reconnect in between.

usage: paho_round_trip.py PORT [CA_FILE]
"""
import sys
import threading

import paho.mqtt.client as mqtt

port, ca_file = int(sys.argv[1]), (sys.argv[2:] or [""])[0]
name = "paho-python-tls" if ca_file else "paho-python"
topic = f"{name}/topic"
received = []
connected, subscribed, complete = threading.Event(), threading.Event(), threading.Event()


def on_connect(client, userdata, flags, code, *rest):
    if code != 0:
        sys.exit(f"refused: {code}")
    connected.set()


def on_message(client, userdata, message):
    received.append((message.qos, message.payload.decode()))
    if len(received) == 30:
        complete.set()


def make_client():
    options = {"client_id": name, "clean_session": False, "protocol": mqtt.MQTTv311}
    if hasattr(mqtt, "CallbackAPIVersion"):
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION1, **options)
    else:
        client = mqtt.Client(**options)
    client.on_connect = on_connect
    client.on_message = on_message
    client.on_subscribe = lambda *arguments: subscribed.set()
    if ca_file:
        client.tls_set(ca_certs=ca_file)
    return client


def start():
    client = make_client()
    connected.clear()
    client.connect("127.0.0.1", port, keepalive=600)
    client.loop_start()
    if not connected.wait():
        sys.exit("no CONNACK")
    return client


first = start()
first.subscribe(topic, qos=2)
if not subscribed.wait():
    sys.exit("no SUBACK")
first.disconnect()
first.loop_stop()

# The subscription is the session's, so it is there again.
second = start()
for qos in (0, 1, 2):
    for number in range(10):
        second.publish(topic, f"message {number}", qos=qos).wait_for_publish()
if not complete.wait():
    sys.exit(f"only these came back: {received}")
for qos in (0, 1, 2):
    if [text for q, text in received if q == qos] != [f"message {number}" for number in range(10)]:
        sys.exit(f"wrong messages or order: {received}")
second.disconnect()
second.loop_stop()
print(f"{len(received)} messages came back")
