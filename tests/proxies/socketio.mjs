/**
 * The published socket.io-client in Node.js, behind a proxy:
 *
 *   node socketio.mjs URL CA PATH WAY…
 *
 * has a client of one channel for each way to connect, in `clients`. Each line of its input is an expression, whose
 * value it prints, as a line of JSON.
 */
import { readFileSync } from "node:fs"
import http from "node:http"
import https from "node:https"
import { createInterface } from "node:readline"
import { io } from "socket.io-client"
import { follow } from "./follow.mjs"

const [, , url, certificate, path, ...ways] = process.argv
const { protocol, origin } = new URL(url)
// With keepAlive, a poll on a connection that breaks ends with the ping timeout only: see docs/proxies.md.
const agent = new (protocol === "https:" ? https : http).Agent({
	keepAlive: false,
	lookup: (_, { all }, done) => all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4),
})
const options = { path, agent, ca: readFileSync(certificate), extraHeaders: { Origin: origin } }

const transports = { polling: ["polling"], upgrade: ["polling", "websocket"], websocket: ["websocket"] }
const clients = globalThis.clients = {}
for (const way of ways) {
	const f = clients[way] = follow(io, origin, "socketio", { ...options, transports: transports[way] })
	Object.defineProperty(f, "socket", { enumerable: false }) // it is no JSON
}

for await (const line of createInterface({ input: process.stdin })) {
	const value = await (0, eval)(line)
	process.stdout.write((JSON.stringify(value) ?? "null") + "\n")
}
process.exit()
