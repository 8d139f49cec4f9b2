// Package handshake turns an HTTP/1.1 request into a WebSocket, on either side
// (RFC 6455 §4): Accept on the server's, Dial on the client's. What it answers
// with is a net.Conn that has said all that HTTP had to say, and what both sides
// settled: subprotocol and compression. It knows no frames beyond that.
//
// Functions are safe for concurrent use.
package handshake
