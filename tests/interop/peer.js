'use strict'
/**
 * One WebSocket client of another library, driven from outside:
 *
 *   node peer.js LIBRARY URL [OPTIONS]
 *
 * reads commands and writes events, a line of JSON each, of the same shape:
 * {kind, data, code}. Kinds are text, binary (data in base64), ping, pong and
 * close (code; data is the reason); the first event is open or refused, and
 * failures are error.
 */
const [library, url, options = '{}'] = process.argv.slice(2)

const tell = (kind, data = '', code = 0) => process.stdout.write(JSON.stringify({ kind, data, code }) + '\n')
const base64 = (data) => Buffer.from(data).toString('base64')

const libraries = {
  /** npm ws; options are its own. */
  ws() {
    const { WebSocket } = require('ws')
    const socket = new WebSocket(url, JSON.parse(options))
    socket.on('open', () => tell('open'))
    socket.on('message', (data, isBinary) => (isBinary ? tell('binary', base64(data)) : tell('text', data.toString())))
    socket.on('ping', (data) => tell('ping', data.toString()))
    socket.on('pong', (data) => tell('pong', data.toString()))
    socket.on('close', (code, reason) => tell('close', reason.toString(), code))
    socket.on('error', (error) => tell('error', error.message))
    return {
      text: ({ data }) => socket.send(data),
      binary: ({ data }) => socket.send(Buffer.from(data, 'base64')),
      ping: ({ data }) => socket.ping(data),
      close: ({ code, data }) => socket.close(code, data),
    }
  },

  /** npm websocket. */
  websocket() {
    const client = new (require('websocket').client)({ maxReceivedMessageSize: 16 << 20, maxReceivedFrameSize: 16 << 20 })
    let connection
    client.on('connectFailed', (error) => tell('refused', error.message))
    client.on('connect', (connected) => {
      connection = connected
      connection.on('message', (message) =>
        message.type === 'utf8' ? tell('text', message.utf8Data) : tell('binary', base64(message.binaryData)),
      )
      connection.on('pong', (data) => tell('pong', data.toString()))
      connection.on('close', (code, reason) => tell('close', reason ?? '', code))
      connection.on('error', (error) => tell('error', error.message))
      tell('open')
    })
    client.connect(url)
    return {
      text: ({ data }) => connection.sendUTF(data),
      binary: ({ data }) => connection.sendBytes(Buffer.from(data, 'base64')),
      ping: ({ data }) => connection.ping(data),
      close: ({ code, data }) => connection.close(code, data),
    }
  },

  /** Node's own, which is the browser's interface. */
  node() {
    const socket = new WebSocket(url)
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => tell('open')
    socket.onmessage = ({ data }) => (typeof data === 'string' ? tell('text', data) : tell('binary', base64(data)))
    socket.onclose = ({ code, reason }) => tell('close', reason, code)
    socket.onerror = () => tell('error')
    return {
      text: ({ data }) => socket.send(data),
      binary: ({ data }) => socket.send(Buffer.from(data, 'base64')),
      close: ({ code, data }) => socket.close(code, data),
    }
  },
}

const commands = libraries[library]()
const lines = require('node:readline').createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const command = JSON.parse(line)
  commands[command.kind](command)
})
lines.on('close', () => process.exit())
