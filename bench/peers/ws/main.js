// npm's ws.
'use strict'

const { parseArgs } = require('node:util')
const { WebSocketServer } = require('ws')

const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:9000' }, mode: { type: 'string', default: 'fanout' } } })
const [host, port] = values.listen.split(':')
const server = new WebSocketServer({ host, port: Number(port), backlog: 4096 })

server.on('connection', (socket) => {
  socket.on('error', () => {}) // 'close' follows
  socket.on('message', (data, binary) => {
    const to = values.mode === 'echo' ? [socket] : server.clients
    for (const client of to) client.send(data, { binary })
  })
})
