// Socket.IO: what is said as "message" is said to all, or back. Mode rooms: a client says "join"
// with a room, and "say" with a room and a text, which goes to all in the room as "message".
'use strict'

const { createServer } = require('node:http')
const { parseArgs } = require('node:util')
const { Server } = require('socket.io')

const { values } = parseArgs({ options: { listen: { type: 'string', default: '127.0.0.1:9000' }, mode: { type: 'string', default: 'fanout' } } })
const [host, port] = values.listen.split(':')
const http = createServer()
const io = new Server(http, { serveClient: false })

io.on('connection', (socket) => {
  socket.on('message', (text) => (values.mode === 'echo' ? socket : io).emit('message', text))
  socket.on('join', (room) => socket.join(room))
  socket.on('say', (room, text) => io.to(room).emit('message', text))
})
http.listen({ host, port: Number(port), backlog: 4096 })
