/**
 * The published socket.io-client in Node.js, driven by lines.
 *
 *   node socketio.mjs URL OPTIONS
 *
 * connects with the client's options, in JSON. Each line of its input is an event to emit, a JSON
 * array, whose ack is awaited; or one of the commands below. Bytes are {"bytes": "base64"} in both
 * directions, and a long text is {"characters": n}. Each event of the socket is written as a line of
 * JSON: [name, ...arguments]. An event that wants an ack is answered with its arguments, except "mute".
 *
 * The option "follow" is a channel: it is subscribed at each connect that did not recover it, from
 * the last message on. That is what docs/socketio.md advises.
 */
import { createInterface } from 'node:readline'
import { io } from 'socket.io-client'

function out(v) {
  if (typeof v === 'string' && v.length > 10_000) return { characters: v.length }
  return Buffer.isBuffer(v) || v instanceof ArrayBuffer ? { bytes: Buffer.from(v).toString('base64') } : v
}
function into(v) {
  if (v?.characters) return 'x'.repeat(v.characters)
  return typeof v?.bytes === 'string' ? Buffer.from(v.bytes, 'base64') : v
}
const print = (name, ...args) => process.stdout.write(JSON.stringify([name, ...args.map(out)]) + '\n')

const { follow, ...options } = JSON.parse(process.argv[3] ?? '{}')
let last // the position of the last message of the channel

/** Prints the events of a socket; those of other namespaces begin with its name. */
function watch(socket, prefix = '') {
  socket.on('connect', () => print(prefix + 'connect', socket.id, socket.recovered))
  socket.on('disconnect', (reason) => print(prefix + 'disconnect', reason, socket.active))
  socket.on('connect_error', (e) => print(prefix + 'connect_error', e.message, e.data ?? null, socket.active))
  socket.onAny((name, ...args) => {
    const ack = typeof args.at(-1) === 'function' ? args.pop() : null
    print(prefix + name, ...args)
    if (name !== 'mute') ack?.(...args)
  })
  return socket
}

const acked = (name) => (err, answer) => print(`ack ${name}`, err ? String(err) : answer)
const socket = watch(io(process.argv[2], { reconnectionDelay: 50, reconnectionDelayMax: 200, ...options }))
const manager = socket.io
manager.on('open', () => {
  print('transport', manager.engine.transport.name)
  manager.engine.on('upgrade', (transport) => print('transport', transport.name))
})
manager.on('reconnect_error', () => print('reconnect_error'))
manager.on('close', (_, details) => details && print('closed', String(details.description ?? ''), details.context?.code ?? details.context?.status ?? 0))
if (follow) {
  socket.on('message', (channel, _, position) => { if (channel === follow) last = position })
  socket.on('connect', () => {
    if (!socket.recovered) socket.emit('subscribe', follow, last ? { since: last } : {}, (answer) => print('following', answer))
  })
}

const namespaces = {}
const commands = {
  /** Breaks the connection as a network does. */
  cut: () => manager.engine.close(),
  /** Prints the extensions of its WebSocket, and the bytes that were read from it so far. */
  wire: () => {
    const { ws } = manager.engine.transport
    print('wire', ws.extensions, ws._socket.bytesRead)
  },
  /** Begins the upgrade of a client with {"upgrade": false}. */
  probe: () => manager.engine._probe('websocket'),
  /** Connects to another namespace on the same connection. */
  of: (name, auth) => {
    if (!namespaces[name]) { // it connects by itself
      namespaces[name] = watch(manager.socket(name, { auth }), name + ' ')
      return
    }
    namespaces[name].auth = auth
    namespaces[name].connect()
  },
  /** Emits an event in another namespace. */
  in: (name, event, ...args) => namespaces[name].timeout(10_000).emit(event, ...args.map(into), acked(event)),
  /** Waits until a volatile event would be sent: nothing else is on its way. */
  idle: async () => { while (!manager.engine.transport.writable) await new Promise((resolve) => setTimeout(resolve, 5)) },
  /** Emits an event without an ack. */
  send: (event, ...args) => socket.emit(event, ...args.map(into)),
  /** The same, but only if it can be sent now. */
  volatile: (event, ...args) => socket.volatile.emit(event, ...args.map(into)),
  /** Emits an event whose ack is awaited for so many milliseconds. */
  within: (ms, event, ...args) => socket.timeout(ms).emit(event, ...args.map(into), acked(event)),
  /** Emits an event with the client's options ackTimeout and retries. */
  retry: (event, ...args) => socket.emit(event, ...args.map(into), acked(event)),
}

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line)
  const command = commands[name] ?? ((...args) => commands.within(10_000, name, ...args))
  await command(...args)
}
for (const one of [socket, ...Object.values(namespaces)]) one.disconnect()
