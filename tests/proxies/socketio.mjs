/**
 * The published socket.io-client in Node.js, behind a proxy:
 *
 *   node socketio.mjs URL CA PATH
 *
 * has three clients of one channel, in `clients`. Each line of its input is an expression, whose
 * value it prints, as a line of JSON.
 */
import { readFileSync } from "node:fs"
import http from "node:http"
import https from "node:https"
import { createInterface } from "node:readline"
import { io } from "socket.io-client"
import { follow } from "./follow.mjs"

const [, , url, certificate, path] = process.argv
const { protocol, origin } = new URL(url)
// With keepAlive, a poll on a connection that breaks ends with the ping timeout only: see docs/proxies.md.
const agent = new (protocol === "https:" ? https : http).Agent({
	keepAlive: false,
	lookup: (_, { all }, done) => all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4),
})
const options = { path, agent, ca: readFileSync(certificate), extraHeaders: { Origin: origin } }

const clients = globalThis.clients = {
	polling: follow(io, origin, "socketio", { ...options, transports: ["polling"] }),
	upgrade: follow(io, origin, "socketio", options),
	websocket: follow(io, origin, "socketio", { ...options, transports: ["websocket"] }),
}

for (const f of Object.values(clients)) Object.defineProperty(f, "socket", { enumerable: false }) // no JSON

for await (const line of createInterface({ input: process.stdin })) {
	const value = await (0, eval)(line)
	process.stdout.write((JSON.stringify(value) ?? "null") + "\n")
}
process.exit()
