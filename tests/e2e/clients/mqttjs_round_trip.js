// SPDX-License-Identifier: GPL-3.0-or-later
// mqtt.js speaks MQTT 5.0: a subscription with an identifier and a topic alias in each direction, properties that come
// back as they were sent, a session that outlives its connection, a shared subscription, and a will with a delay.
//
// usage: mqttjs_round_trip.js PORT [CA_FILE]
'use strict'
const assert = require('assert')
const fs = require('fs')
const mqtt = require('mqtt')

const [port, caFile] = process.argv.slice(2)
const name = caFile ? 'mqttjs-tls' : 'mqttjs'

function connect (id, options) {
  const how = Object.assign({
    host: '127.0.0.1',
    port: Number(port),
    protocol: caFile ? 'mqtts' : 'mqtt',
    ca: caFile ? fs.readFileSync(caFile) : undefined,
    protocolVersion: 5,
    clientId: id,
    reconnectPeriod: 0,
    connectTimeout: 600000, // ms; who started this ends it
  }, options)
  const client = mqtt.connect(how)
  return new Promise((resolve, reject) => {
    client.once('connect', connack => resolve([client, connack]))
    client.once('error', reject)
  })
}

const promised = (client, method, ...args) => new Promise((resolve, reject) =>
  client[method](...args, (error, result) => error ? reject(error) : resolve(result)))

function collect (client, count) {
  const got = []
  return new Promise(resolve => client.on('message', (topic, payload, packet) => {
    got.push({ topic, text: payload.toString(), qos: packet.qos, properties: packet.properties || {} })
    if (got.length === count) resolve(got)
  }))
}

async function propertiesComeBack () {
  const [client, connack] = await connect(name, {
    topicAliasMaximum: 10, // this version of mqtt.js wants it in both places
    properties: { topicAliasMaximum: 10, receiveMaximum: 5 }
  })
  assert.ok(connack.properties.topicAliasMaximum > 0)
  await promised(client, 'subscribe', `${name}/#`, { qos: 2, properties: { subscriptionIdentifier: 7 } })
  const all = collect(client, 30)
  for (const qos of [0, 1, 2]) {
    for (let i = 0; i < 10; i++) {
      await promised(client, 'publish', `${name}/${qos}`, `message ${i}`, {
        qos,
        properties: {
          messageExpiryInterval: 100,
          contentType: 'text/plain',
          responseTopic: 'answers',
          correlationData: Buffer.from([1, 0, 2]),
          userProperties: { first: 'one', second: 'two' },
          topicAlias: qos + 1
        }
      })
    }
  }
  const got = await all
  for (const qos of [0, 1, 2]) {
    const mine = got.filter(m => m.qos === qos)
    assert.deepStrictEqual(mine.map(m => m.text), [...Array(10).keys()].map(i => `message ${i}`))
    for (const { topic, properties } of mine) {
      assert.strictEqual(topic, `${name}/${qos}`)
      assert.strictEqual(properties.subscriptionIdentifier, 7)
      assert.strictEqual(properties.contentType, 'text/plain')
      assert.strictEqual(properties.responseTopic, 'answers')
      assert.deepStrictEqual([...properties.correlationData], [1, 0, 2])
      assert.deepStrictEqual({ ...properties.userProperties }, { first: 'one', second: 'two' })
      assert.ok(properties.messageExpiryInterval <= 100)
    }
  }
  await promised(client, 'end', false, {})
}

async function sessionIsKept () {
  const kept = { clean: false, properties: { sessionExpiryInterval: 60 } }
  const [first] = await connect(`${name}-kept`, kept)
  await promised(first, 'subscribe', `${name}-kept/#`, { qos: 1 })
  await promised(first, 'end', false, {})
  const [other] = await connect(`${name}-other`)
  await promised(other, 'publish', `${name}-kept/a`, 'while it was away', { qos: 1 })
  await promised(other, 'end', false, {})
  const client = mqtt.connect({ host: '127.0.0.1', port: Number(port), protocol: caFile ? 'mqtts' : 'mqtt',
    ca: caFile ? fs.readFileSync(caFile) : undefined, protocolVersion: 5, clientId: `${name}-kept`, reconnectPeriod: 0,
    ...kept })
  const present = new Promise(resolve => client.once('connect', connack => resolve(connack.sessionPresent)))
  const [message] = await collect(client, 1)
  assert.strictEqual(await present, true)
  assert.strictEqual(message.text, 'while it was away')
  await promised(client, 'end', false, {})
}

async function membersShare () {
  const members = await Promise.all([1, 2].map(i => connect(`${name}-member-${i}`)))
  const counts = [0, 0]
  const all = new Promise(resolve => members.forEach(([client], i) => client.on('message', () => {
    counts[i]++
    if (counts[0] + counts[1] === 20) resolve()
  })))
  for (const [client] of members) await promised(client, 'subscribe', `$share/group/${name}-work/#`, { qos: 1 })
  for (let i = 0; i < 20; i++) await promised(members[0][0], 'publish', `${name}-work/${i}`, 'job', { qos: 1 })
  await all
  assert.deepStrictEqual(counts, [10, 10])
  for (const [client] of members) await promised(client, 'end', false, {})
}

async function willWaits () {
  const [watcher] = await connect(`${name}-watcher`)
  await promised(watcher, 'subscribe', `${name}-will`, { qos: 1 })
  const will = collect(watcher, 1)
  const [client] = await connect(`${name}-mortal`, {
    properties: { sessionExpiryInterval: 60 },
    will: { topic: `${name}-will`, payload: 'gone', qos: 1, properties: { willDelayInterval: 1, contentType: 'text/will' } }
  })
  const broken = Date.now()
  client.stream.destroy()
  const [message] = await will
  assert.strictEqual(message.properties.contentType, 'text/will')
  assert.ok(Date.now() - broken >= 900, 'the will did not wait')
  await promised(watcher, 'end', false, {})
}

setTimeout(() => { console.error('no end after 60 s'); process.exit(1) }, 60000).unref()
propertiesComeBack().then(sessionIsKept).then(membersShare).then(willWaits)
  .then(() => { console.log('all came back'); process.exit(0) })
  .catch(error => { console.error(error); process.exit(1) })
