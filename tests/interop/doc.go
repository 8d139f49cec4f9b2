// Package interop tests maru with WebSocket and event stream programs of other people: npm ws,
// npm websocket, Node's own WebSocket, coder/websocket, gorilla/websocket, npm eventsource and
// curl; with the Socket.IO clients of npm, of github.com/zishang520/socket.io and of
// python-socketio; and with maru's own client in Node. It is a module of its own, so that maru does not
// depend on them.
//
//	cd tests/interop && npm ci && go test ./...
//
// The programs run as a user runs them: maru and the examples are built and started, and Node
// scripts are driven over their standard input and output. peer.js and peer_test.go give all
// WebSocket clients one interface, so that one test body covers all of them.
package interop
