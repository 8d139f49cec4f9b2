// Package front is the front of a server: one port for WebSockets and for the
// rest of HTTP.
//
//	socket ─→ loop: accept, first header block
//	             ▼
//	   upgrader: reads the request, in one pass
//	             │ a usual one for a WebSocket     anything else
//	             ▼                                       ▼
//	   http.Handler decides in a goroutine     net/http, with the bytes read
//	   or inline (InlineHandler)                   upgrades by hijack, too
//	             │ hijacks        answers
//	             ▼                   ▼
//	   the loop and slot     the loop writes it
//	   that it has           and closes
//
// A handler works the same on both paths: it hijacks by http.ResponseController, or writes
// a response. On the left path it hijacks a net.Conn that cannot be read or written. That
// is enough for loop.Engine.Open, and the callers of handshake.Accept do nothing else with
// it. On systems without epoll every request goes through net/http. So does every request
// over TLS (ServeTLS), after a handshake with a limit and a timeout. A connection that
// becomes a WebSocket moves to the loops even then, where they have sockets of their own.
//
// NewProxyListener puts a listener in front of this whose connections begin with a PROXY header.
// They come by way of net/http, too.
package front
