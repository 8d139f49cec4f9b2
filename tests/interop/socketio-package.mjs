/**
 * The published socket.io-client against a server that is written with package socketio
 * (tests/suites/own.go):
 *
 *   node socketio-package.mjs URL OPTIONS
 *
 * ends with 0 if all is as with npm socket.io.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { io } from 'socket.io-client'

const options = JSON.parse(process.argv[3])
const connect = (more) => io(process.argv[2] + '/own', { forceNew: true, timeout: 10_000, ackTimeout: 10_000, ...options, ...more })
const event = (socket, name) => new Promise((resolve, reject) => {
  socket.once(name, (...args) => resolve(args))
  setTimeout(() => reject(new Error(`no ${name} came`)), 10_000).unref()
})

// What a Buffer is in each transport's hands.
const bytes = (v) => Buffer.from(v instanceof ArrayBuffer ? new Uint8Array(v) : v).toString()

const stranger = connect()
const [refused] = await event(stranger, 'connect_error')
assert.deepEqual([refused.message, refused.data], ['no token', { retry: true }])
stranger.auth = { token: 'late' }
stranger.connect()
await event(stranger, 'connect')

const socket = connect({ auth: { token: 'kim' }, query: { room: 'a b' }, extraHeaders: { 'X-Own': 'mine' } })
await event(socket, 'connect')
assert.deepEqual(await ackOf('handshake'), ['a b', 'mine', false, false, 'kim'])

function ackOf (name, ...args) {
  return new Promise((resolve, reject) => socket.timeout(10_000).emit(name, ...args, (err, ...got) => err ? reject(err) : resolve(got)))
}

const [photo] = await ackOf('photo', { name: 'é', data: Buffer.from('abc'), parts: [Buffer.from('p'), new Uint8Array([113]), new Uint8Array([114]).buffer] })
assert.equal(photo.name, 'é')
assert.equal(bytes(photo.data), 'cba')
assert.deepEqual(photo.parts.map(bytes), ['p', 'q', 'r'])

const [anything] = await ackOf('anything', [{ b: [Buffer.from('x')] }, null, 1.5, 'text', Buffer.alloc(0)])
assert.equal(bytes(anything[0].b[0]), 'x')
assert.deepEqual(anything.slice(1, 4), [null, 1.5, 'text'])
assert.equal(bytes(anything[4]), '')

const [first, arg] = await ackOf('arg', { list: [Buffer.from('y'), 'z'] })
assert.deepEqual([bytes(first), bytes(arg.list[0]), arg.list[1]], ['first', 'y', 'z'])

const rooms = Promise.all([event(socket, 'room'), event(stranger, 'room')])
socket.emit('room', { from: Buffer.from('kim') })
for (const [v] of await rooms) assert.equal(bytes(v.from), 'kim')

assert.deepEqual(await ackOf('several', 1), [2])
assert.deepEqual(await ackOf('once'), ['once'])
assert.deepEqual(await ackOf('once'), ['always'])
assert.equal((await ackOf('many', 10))[0].length, 10)

socket.once('question', (q, ack) => ack({ name: bytes(q.deep[0]), data: Buffer.from('answer') }))
const [name, data, ok] = await ackOf('ask')
assert.deepEqual([name, bytes(data), ok], ['\x01\x02', 'answer', true])

const failed = event(socket, 'failed')
socket.emit('forbidden')
assert.deepEqual(await failed, ['forbidden', 'not allowed'])

const left = event(stranger, 'left')
const ended = once(socket, 'disconnect')
socket.emit('end')
assert.deepEqual(await left, ['kim'])
assert.equal((await ended)[0], 'io server disconnect')
socket.connect()
await event(socket, 'connect')

socket.disconnect()
stranger.disconnect()

// A client whose connection breaks comes back as the same socket, with what it missed.
const watcher = connect({ path: '/recovers/', auth: { token: 'lee' } })
const back = connect({ path: '/recovers/', auth: { token: 'kim' }, reconnectionDelay: 300, reconnectionDelayMax: 300 })
await Promise.all([event(watcher, 'connect'), event(back, 'connect')])
assert.equal(back.recovered, false)
const got = []
back.on('room', (v) => v.of === process.pid && got.push([v.n, bytes(v.b)])) // others run beside this
let seen = -1
watcher.on('room', (v) => { if (v.of === process.pid) seen = v.n })
const say = async (n) => {
  watcher.emit('room', { n, b: Buffer.from('b'), of: process.pid })
  while (seen !== n) await event(watcher, 'room')
}
await say(0)
while (got.length < 1) await event(back, 'room')
for (let round = 1; round <= 3; round++) {
  const id = back.id
  const again = event(back, 'connect')
  back.io.engine.close()
  for (let n = 0; n < 5; n++) await say(10 * round + n)
  await again
  assert.deepEqual([back.recovered, back.id], [true, id])
  await say(10 * round + 5)
  while (got.length < 1 + 6 * round) await event(back, 'room')
}
assert.deepEqual(got.map(([n]) => n), [0, ...[1, 2, 3].flatMap((r) => [0, 1, 2, 3, 4, 5].map((n) => 10 * r + n))])
assert.ok(got.every(([, b]) => b === 'b'))
back.disconnect()
watcher.disconnect()
