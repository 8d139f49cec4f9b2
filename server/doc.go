// Package server is maru as a part of your program: a realtime server that is an
// http.Handler.
//
//	live, err := server.New(server.Options{Open: true, Loopback: true})
//	if err != nil {
//		return err
//	}
//	mux := http.NewServeMux()
//	mux.HandleFunc("/", yourOwn)
//	mux.Handle("/live/", http.StripPrefix("/live", live))
//	go http.ListenAndServe("127.0.0.1:8080", mux)
//
//	live.Publish(ctx, "orders", &maru.Publication{Data: []byte("order 17 is paid")})
//
//	chat, err := live.Subscribe(ctx, "chat", server.SubscribeOptions{})
//	for said, err := range chat.All(ctx) { … }
//
// Browsers then connect to /live/channels/orders by WebSocket, server-sent events, long polls
// and POST, all on the same channel. Instead of ServeHTTP under your own http.Server, Serve
// takes a listener and sets its own time-outs. Shutdown closes all connections at once; with
// many connections, call Drain first, which closes them one by one.
//
//	request ─→ auth.RequestFilter ─→ api ─┬─ upgrade ──────→ gateway/raw ─→ loop.Engine ⇄ sockets
//	                              ├─ event-stream ─→ gateway/sse
//	                              └─ history, poll, POST, pages
//	POST, sockets, Server.Publish ─→ broker ─Sink→ hub ─→ sockets, streams, polls
//
// # Behind middlewares and frameworks
//
// WebSockets need an http.ResponseWriter that can be hijacked, event streams one that can be
// hijacked or flushed: by its own methods or those of the writer that its method Unwrap returns.
// net/http, gin, echo, chi and most middlewares have them. Otherwise the answer is 500, and the log
// has a warning. http.TimeoutHandler has neither, and nor has the adaptor of fiber 2: history,
// polls and POST work there, and live connections do not. That of fiber 3 has both.
//
// The timeouts of your http.Server do not end streams and polls. Compression in front is not needed,
// and does not apply to connections that are taken over.
//
// # Concurrency
//
// All methods of Server are safe for concurrent use.
//
// # What it does not do
//
// It reads no configuration and no certificate, and opens no port. Without
// Options.Broker it stores nothing.
package server
