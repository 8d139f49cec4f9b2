/**
 * Three published clients in rooms of a server that is written with package socketio
 * (tests/suites/rooms.go):
 *
 *   node socketio-rooms.mjs URL OPTIONS
 *
 * ends with 0 if all is as with npm socket.io.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { io } from 'socket.io-client'

const options = JSON.parse(process.argv[3])
const connect = (namespace) => io(process.argv[2] + namespace, { forceNew: true, timeout: 10_000, ackTimeout: 10_000, ...options })

const plain = (v) => (v instanceof Uint8Array || v instanceof ArrayBuffer) ? Buffer.from(v).toString() : v

const stranger = connect('/rooms-x')
const [refused] = await once(stranger, 'connect_error')
assert.equal(refused.message, 'Invalid namespace')
stranger.disconnect()

const clients = ['a', 'b', 'c'].map((name) => {
  const socket = connect('/rooms-' + process.pid)
  const got = []
  socket.on('event', (...args) => got.push(args.map(plain)))
  return { name, socket, got }
})
const [a, b, c] = clients
for (const { socket } of clients) if (!socket.connected) await once(socket, 'connect')
const call = (client, event, ...args) => client.socket.timeout(10_000).emitWithAck(event, ...args)

assert.deepEqual(await call(a, 'join', ['x', '방 / ?']), [a.socket.id, 'x', '방 / ?'].sort())
await call(b, 'join', ['x', 'y', 'left'])
await call(b, 'leave', ['left'])
await call(c, 'join', ['y'])

// check emits an event, and wants it at those clients only, once.
let number = 0
async function check (target, want, ...args) {
  number++
  assert.equal(await call(a, 'emit', target, number, ...args), true)
  await call(a, 'emit', {}, 'end')
  for (const { name, got } of clients) {
    while (got.at(-1)?.[0] !== 'end') await new Promise((resolve) => setTimeout(resolve, 5))
    assert.deepEqual(got.splice(0), [...(want.includes(name) ? [[number, ...args.map(plain)]] : []), ['end']], JSON.stringify(target) + ' at ' + name)
  }
}
await check({}, 'abc')
await check({ to: ['x'] }, 'ab', Buffer.from('bytes'))
await check({ to: ['x', 'y'] }, 'abc', Buffer.from('bytes'))
await check({ to: ['x'], except: ['y'] }, 'a')
await check({ except: ['x'] }, 'c')
await check({ to: ['방 / ?'] }, 'a')
await check({ to: ['left'] }, '')
await check({ to: [b.socket.id] }, 'b')
await check({ broadcast: true }, 'bc')
await check({ broadcast: true, to: ['x'] }, 'b')
await check({ broadcast: true, to: ['x', 'y'] }, 'bc')
assert.equal(await call(a, 'emit', { to: ['y'], joins: 'z' }), true)
await check({ to: ['z'] }, 'bc')

// Events to different targets keep their order.
const targets = [{}, { to: ['x'] }, { to: ['x', 'y'] }, { except: ['none'] }, { to: [b.socket.id] }]
const events = 200
for (let n = 0; n < events; n++) a.socket.emit('emit', targets[n % targets.length], n)
while (b.got.length < events) await once(b.socket, 'event')
assert.deepEqual(b.got.map(([n]) => n), [...Array(events).keys()])

// Acks of many: all, and those that came in time.
const answer = ({ name, socket }) => socket.on('name', (ack) => ack(name))
answer(a)
answer(b)
const ask = (to) => new Promise((resolve, reject) => a.socket.timeout(10_000).emit('emit', { to, asksFor: 'name' }, (err, ...got) => err ? reject(err) : resolve(got)))
assert.deepEqual(await ask(['x']), [{ [a.socket.id]: 'a', [b.socket.id]: 'b' }, false])
assert.deepEqual(await ask([]), [{ [a.socket.id]: 'a', [b.socket.id]: 'b' }, true])

const ended = once(c.socket, 'disconnect')
assert.equal(await call(a, 'emit', { to: [c.socket.id], ends: 'now' }), true)
assert.equal((await ended)[0], 'io server disconnect')
for (const { socket } of clients) socket.disconnect()
