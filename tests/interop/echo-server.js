'use strict'
/**
 * Servers of npm ws that send every message back as it came:
 *
 *   node echo-server.js OPTIONS...
 *
 * Each OPTIONS are those of one WebSocketServer. It writes their ports, a line each, in
 * their order.
 */
const { WebSocketServer } = require('ws')

async function listen(options) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, ...JSON.parse(options) })
  server.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
    socket.on('error', (error) => console.error(error.message))
  })
  await require('node:events').once(server, 'listening')
  return server.address().port
}

Promise.all(process.argv.slice(2).map(listen)).then((ports) => ports.forEach((port) => console.log(port)))
