/**
 * follow keeps up with a channel by the published socket.io-client, over every lost connection, as
 * docs/socketio.md says: a recovered socket has its channel, and any other subscribes from where it
 * stopped. Node.js and the pages of tests/e2e share it. What it returns is for tests to look at.
 * Data is spelled as text: JSON as it is, and bytes as "bytes 0,255".
 */
export function follow(io, url, channel, options = {}) {
	const f = { got: [], transports: [], recovered: [], gaps: [], reasons: [], refused: 0, pings: 0, ready: false }
	let last
	const socket = f.socket = io(url, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...options })
	socket.on("connect", async () => {
		f.recovered.push(socket.recovered)
		if (!socket.recovered) {
			const reply = await socket.emitWithAck("subscribe", channel, last ? { since: last } : {}).catch(() => null)
			if (!reply) return // lost again
			if (reply.error) f.reasons.push(reply.error.message)
			if (reply.gap) f.gaps.push(reply.gap)
			last ??= reply.position
		}
		f.ready = socket.connected // the answer and the end may come at once
	})
	socket.on("message", (_, data, offset) => {
		f.got.push(spell(data))
		last = offset
	})
	socket.on("disconnect", (reason) => {
		f.ready = false
		f.reasons.push(reason)
	})
	socket.on("connect_error", (e) => {
		f.refused++
		f.lastError = `${e.message} ${e.context?.status ?? ""}`
	})
	socket.io.on("open", () => {
		const { engine } = socket.io
		f.transports.push(engine.transport.name)
		engine.on("upgrade", (transport) => f.transports.push(transport.name))
	})
	socket.io.on("ping", () => f.pings++)
	f.publish = (data, more) => socket.emitWithAck("publish", channel, data, more ?? {})
	return f
}

function spell(data) {
	if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) return `bytes ${new Uint8Array(data)}`
	return typeof data === "string" ? data : JSON.stringify(data)
}
