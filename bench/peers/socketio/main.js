// Socket.IO over WebSocket alone: what is said as "message" is said to all, or back.
// A client without its library connects to /socket.io/?EIO=4&transport=websocket,
// begins with 40 and says 42["message","…"].
'use strict'

const { createServer } = require('node:http')
const { parseArgs } = require('node:util')
const { Server } = require('socket.io')

const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:9000' }, mode: { type: 'string', default: 'fanout' } } })
const [host, port] = values.listen.split(':')
const http = createServer()
const io = new Server(http, { transports: ['websocket'], serveClient: false })

io.on('connection', (socket) => {
  socket.on('message', (text) => (values.mode === 'echo' ? socket : io).emit('message', text))
})
http.listen({ host, port: Number(port), backlog: 4096 })
