'use strict'
/**
 * A client of server-sent events by npm eventsource.
 *
 *   node events.js URL [EVENT…]
 *
 * writes what comes, a line of JSON each: {kind, id, data}. Kinds are open,
 * error, and the names of events. Those of the arguments are listened to, too.
 */
const { EventSource } = require('eventsource')

const tell = (kind, id = '', data = '') => process.stdout.write(JSON.stringify({ kind, id, data }) + '\n')

const source = new EventSource(process.argv[2])
source.onopen = () => tell('open')
source.onerror = (event) => tell('error', '', event.message)
for (const name of ['message', 'base64', 'gap', ...process.argv.slice(3)]) {
  source.addEventListener(name, ({ lastEventId, data }) => tell(name, lastEventId, data))
}
process.stdin.on('close', () => process.exit()).resume()
