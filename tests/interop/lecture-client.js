'use strict'
/**
 * The lecture's client, with the browser's interface that Node has too.
 *
 *   node lecture-client.js URL NICKNAME
 *
 * Each line it reads is a message, each message that comes is a line it prints.
 * When there is nothing more to read it closes.
 */
const [url, nickname] = process.argv.slice(2)

const webSocket = new WebSocket(url)

webSocket.onopen = () => {
  console.log('connected')
  const lines = require('node:readline').createInterface({ input: process.stdin })
  lines.on('line', (msg) => {
    webSocket.send(`${nickname} => ${msg}`)
  })
  lines.on('close', () => webSocket.close())
}

webSocket.onmessage = (event) => {
  let data = event.data
  console.log(data)
}

webSocket.onclose = (event) => console.log(`closed ${event.code}`)
