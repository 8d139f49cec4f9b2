/**
 * The published socket.io-client in Node.js, behind proxies. Each line of its input is a question of
 * a visitor (visitor_test.go), in JSON, and each line of its output the answer to one:
 *
 *   { id, visitor, url, ca, path, ways }    connects a client for each way
 *   { id, visitor, ask, want }              is answered when the expression has the value, or late
 *   { id, visitor }                         ends the clients
 *
 * An expression sees the visitor's `clients`, by their ways, and `kept`, an object.
 */
import { readFileSync } from "node:fs"
import http from "node:http"
import https from "node:https"
import { createInterface } from "node:readline"
import { io } from "socket.io-client"
import { follow } from "./follow.mjs"

const patience = 60_000
const transports = { polling: ["polling"], upgrade: ["polling", "websocket"], websocket: ["websocket"] }
const visitors = new Map()

function connect({ url, ca, path, ways }) {
	const { protocol, origin } = new URL(url)
	// Without keepAlive: see docs/proxies.md, Socket.IO.
	const agent = new (protocol === "https:" ? https : http).Agent({
		keepAlive: false,
		lookup: (_, { all }, done) => all ? done(null, [{ address: "127.0.0.1", family: 4 }]) : done(null, "127.0.0.1", 4),
	})
	const options = { path, agent, ca: readFileSync(ca), extraHeaders: { Origin: origin } }
	const clients = {}
	for (const way of ways) {
		clients[way] = follow(io, origin, "socketio", { ...options, transports: transports[way] })
		Object.defineProperty(clients[way], "socket", { enumerable: false }) // it is no JSON
	}
	return clients
}

async function answer({ visitor, url, ask, want, ...more }) {
	if (url) visitors.set(visitor, { clients: connect({ url, ...more }), kept: {} })
	const { clients, kept } = visitors.get(visitor)
	if (!url && !ask) Object.values(clients).forEach(({ socket }) => socket.disconnect())
	if (!ask) return
	const expression = new Function("clients", "kept", `return (${ask})`)
	for (const late = Date.now() + patience; ; await new Promise((done) => setTimeout(done, 20))) {
		const value = await expression(clients, kept)
		if (want === undefined || JSON.stringify(value) === JSON.stringify(want)) return { value }
		if (Date.now() > late) return { value, late: true, clients }
	}
}

for await (const line of createInterface({ input: process.stdin })) {
	const question = JSON.parse(line)
	answer(question).catch((e) => ({ error: e.stack })).then((a) => process.stdout.write(JSON.stringify({ id: question.id, ...a }) + "\n"))
}
process.exit()
