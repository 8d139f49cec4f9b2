'use strict'
/**
 * The lecture's server, written with npm ws: each message goes to all clients.
 *
 *   node lecture-server.js [OPTIONS] [CERTIFICATE KEY]
 *
 * OPTIONS are those of WebSocketServer; the port is free if they name none. With
 * a certificate and its key (PEM files) it speaks wss.
 */
const fs = require('node:fs')
const https = require('node:https')
const { WebSocketServer } = require('ws')

const [options = '{}', certificate, key] = process.argv.slice(2)
const given = { host: '127.0.0.1', port: 0, ...JSON.parse(options) }

let sockserver, listener
if (certificate) {
  const { host, port, ...rest } = given
  listener = https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) })
  sockserver = new WebSocketServer({ server: listener, ...rest })
  listener.listen(port, host)
} else {
  listener = sockserver = new WebSocketServer(given)
}
listener.on('listening', () => console.log(`listening on ${listener.address().port}`))

sockserver.on('connection', (ws) => {
  console.log('New client connected!')
  ws.on('close', () => console.log('disconnected!'))

  ws.on('message', (data) => {
    sockserver.clients.forEach((client) => {
      console.log(`send message: ${String(data).slice(0, 80)}`)
      client.send(`${data}`)
    })
  })

  ws.onerror = function () {
    console.log('websocket error')
  }
})
