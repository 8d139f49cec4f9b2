/**
 * maru's own client in Node.js.
 *
 *   node client.mjs URL
 *
 * subscribes to chat and writes each event as a line of JSON: {kind, data}. It publishes
 * each line of its input there.
 */
import { createInterface } from 'node:readline'
import WebSocket from 'ws'
import { Maru } from '../../js/maru.js'

const tell = (kind, data) => process.stdout.write(JSON.stringify({ kind, data: String(data) }) + '\n')

// Node.js has a WebSocket of its own from 22 on.
const maru = new Maru(process.argv[2], globalThis.WebSocket ? {} : { WebSocket })
maru.addEventListener('state', ({ detail }) => tell('state', detail.state))
const chat = maru.subscribe('chat', { last: 10 })
chat.addEventListener('subscribed', ({ detail }) => tell('subscribed', detail.recovered))
chat.addEventListener('publication', ({ detail }) => tell('publication', detail.data))
chat.addEventListener('gap', ({ detail }) => tell('gap', detail.reason))

for await (const line of createInterface({ input: process.stdin })) {
  maru.publish('chat', line).then(({ offset }) => tell('ack', offset > 0), ({ code }) => tell('failed', code))
}
maru.close()
