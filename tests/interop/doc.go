// Package interop holds tests of maru against WebSocket and event stream programs
// of other people: npm ws, npm websocket, Node's own WebSocket, coder/websocket,
// gorilla/websocket, npm eventsource and curl; and of maru's own client in Node. It is
// a module of its own, so that they are no dependencies of maru.
//
//	cd tests/interop && npm ci && go test ./...
//
// The programs run as a user runs them: maru and the examples are built and
// started, Node scripts are driven over their standard input and output. peer.js
// and peer_test.go give every WebSocket client the same face, so that one test
// body holds for all of them.
package interop
