/**
 * The published socket.io-client in Node.js, driven by lines.
 *
 *   node socketio.mjs URL OPTIONS
 *
 * connects with the client's options, in JSON. Each line of its input is an event to emit, a JSON
 * array, whose ack is awaited; bytes are {"bytes": "base64"} in both directions. Each event of the
 * socket is written as a line of JSON: [name, ...arguments].
 */
import { createInterface } from 'node:readline'
import { io } from 'socket.io-client'

const out = (v) => Buffer.isBuffer(v) || v instanceof ArrayBuffer ? { bytes: Buffer.from(v).toString('base64') } : v
const into = (v) => v && typeof v.bytes === 'string' ? Buffer.from(v.bytes, 'base64') : v
const tell = (name, ...args) => process.stdout.write(JSON.stringify([name, ...args.map(out)]) + '\n')

const socket = io(process.argv[2], { reconnectionDelay: 50, reconnectionDelayMax: 200, ...JSON.parse(process.argv[3] ?? '{}') })
socket.on('connect', () => tell('connect', socket.id, socket.recovered))
socket.on('disconnect', (reason) => tell('disconnect', reason, socket.active))
socket.on('connect_error', (e) => tell('connect_error', e.message, e.data ?? null, socket.active))
socket.io.on('open', () => {
  tell('transport', socket.io.engine.transport.name)
  socket.io.engine.on('upgrade', (transport) => tell('transport', transport.name))
})
socket.onAny((name, ...args) => tell(name, ...args))

for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = JSON.parse(line)
  if (name === 'cut') { // as a network that breaks
    socket.io.engine.close()
    continue
  }
  if (name === 'wire') { // the extensions of its WebSocket, and the bytes that were read from it so far
    const { ws } = socket.io.engine.transport
    tell('wire', ws.extensions, ws._socket.bytesRead)
    continue
  }
  socket.timeout(10_000).emit(name, ...args.map(into), (err, answer) => tell(`ack ${name}`, err ? String(err) : answer))
}
socket.disconnect()
