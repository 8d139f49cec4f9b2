// Package front is the front of a server: one port for WebSockets and for the
// rest of HTTP.
//
//	socket ─→ loop: accept, first header block
//	             ▼
//	   upgrader: reads the request, in one pass
//	             │ a usual one for a WebSocket     anything else
//	             ▼                                       ▼
//	   http.Handler decides, in a goroutine    net/http, with the bytes read
//	   unless at once (Prompt)                     upgrades by hijack, too
//	             │ hijacks        answers
//	             ▼                   ▼
//	   the loop and slot     the loop writes it
//	   that it has           and closes
//
// A handler does not notice on which way a request came: it hijacks by
// http.ResponseController, or answers. What it hijacks on the left way is no net.Conn
// to read and write, but good for loop.Engine.Open, which is all that
// handshake.Accept's callers do with it. On systems without epoll all goes
// through net/http. So it does over TLS (ServeTLS), after a handshake that is bounded
// and timed; but what becomes a WebSocket is the loops' from then on, wherever there
// are sockets of their own.
package front
