/**
 * npm socket.io-client 2, of the protocol before the one that maru speaks.
 *
 *   node socketio2.mjs URL OPTIONS
 *
 * writes what becomes of its connection, as socketio.mjs does.
 */
import io from 'socket.io-client-2'

const print = (...args) => console.log(JSON.stringify(args))
const socket = io(process.argv[2], { ...JSON.parse(process.argv[3] ?? '{}'), reconnection: false })
socket.on('connect', () => print('connect'))
socket.on('connect_error', (e) => print('connect_error', e.message, String(e.description?.message ?? e.description)))
