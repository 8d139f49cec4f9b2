// Proxies of npm before a maru, as people write them: node node.js KIND http://MARU CERT KEY [SNIPPET]
// It prints the port of 127.0.0.1 on which it listens.
"use strict"
const { readFileSync } = require("node:fs")
const http = require("node:http")
const https = require("node:https")
const httpProxy = require("http-proxy")

const [, , kind, target, cert, key, snippet] = process.argv

function forward(server, handler, proxy) {
	proxy.on("error", (_, __, response) => response.destroy())
	server.on("request", handler)
	server.on("upgrade", (request, socket, head) => proxy.ws(request, socket, head))
	server.listen(0, "127.0.0.1", () => console.log(`port ${server.address().port}`))
}

const kinds = {
	// With TLS, its X-Forwarded-Proto is wss for WebSockets.
	"http-proxy"() {
		const proxy = httpProxy.createProxyServer({ target, xfwd: true })
		const server = https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
		forward(server, (request, response) => proxy.web(request, response), proxy)
	},
	express() {
		const proxy = httpProxy.createProxyServer({ target, xfwd: true })
		const app = require("express")()
		app.use(require("compression")({ threshold: 0 }))
		app.use((request, response) => proxy.web(request, response))
		forward(http.createServer(), app, proxy)
	},
	// It compresses by default. The snippet is the one of docs/proxies.md.
	async "webpack-dev-server"() {
		const webpack = require("webpack")
		const Server = require("webpack-dev-server")
		const compiler = webpack({
			mode: "development", context: __dirname, entry: "data:text/javascript,0",
			infrastructureLogging: { level: "none" }, stats: "none",
		})
		const options = new Function(`return {${snippet}}`)()
		const server = new Server({
			host: "127.0.0.1", port: 0, client: false, hot: false, liveReload: false, setupExitSignals: false, ...options,
		}, compiler)
		await server.start()
		console.log(`port ${server.server.address().port}`)
	},
}

kinds[kind]()
