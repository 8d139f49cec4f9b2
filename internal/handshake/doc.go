// Package handshake turns an HTTP/1.1 request into a WebSocket, on either side (RFC 6455
// §4): Accept on the server's, Dial on the client's. The result is a net.Conn whose HTTP
// part is over, with the negotiated subprotocol and compression. The package does not read
// or write frames.
//
// Functions are safe for concurrent use.
package handshake
