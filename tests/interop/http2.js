'use strict'
/**
 * A WebSocket over HTTP/2 (RFC 8441) by Node's http2, the frames by hand.
 *
 *   node http2.js URL
 *
 * URL is https://. It sends each line of standard input as a text message and
 * writes each text message that comes as a line; first it writes the status. A line
 * "close" closes with 1000, and then the code of the answer is written.
 */
const http2 = require('node:http2')
const { createInterface } = require('node:readline')

const url = new URL(process.argv[2])
const client = http2.connect(url.origin, { rejectUnauthorized: false })
client.on('remoteSettings', (settings) => {
  if (!settings.enableConnectProtocol) {
    console.log('no extended CONNECT')
    return client.close()
  }
  open()
})

/** A masked frame of under 64 KiB. */
function frame(opcode, payload) {
  const mask = Buffer.from([1, 2, 3, 4])
  const length = payload.length < 126 ? Buffer.from([0x80 | payload.length]) : Buffer.from([0x80 | 126, payload.length >> 8, payload.length & 255])
  return Buffer.concat([Buffer.from([0x80 | opcode]), length, mask, payload.map((byte, i) => byte ^ mask[i % 4])])
}

function open() {
  const stream = client.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': url.pathname + url.search,
    ':authority': url.host, 'sec-websocket-version': '13', origin: url.origin,
  })
  stream.on('response', (headers) => console.log(headers[':status']))
  let unread = Buffer.alloc(0)
  stream.on('data', (data) => {
    unread = Buffer.concat([unread, data])
    for (;;) {
      if (unread.length < 2) return
      let length = unread[1] & 127
      let start = 2
      if (length === 126) {
        if (unread.length < 4) return
        length = unread.readUInt16BE(2)
        start = 4
      }
      if (unread.length < start + length) return
      const payload = unread.subarray(start, start + length)
      console.log((unread[0] & 15) === 8 ? payload.readUInt16BE(0) : payload.toString())
      unread = unread.subarray(start + length)
    }
  })
  stream.on('end', () => { console.log('end'); client.close() })
  createInterface({ input: process.stdin }).on('line', (line) => {
    stream.write(line === 'close' ? frame(8, Buffer.from([3, 232])) : frame(1, Buffer.from(line)))
  })
}
