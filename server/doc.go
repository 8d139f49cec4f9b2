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
// Browsers then speak with /live/channels/orders: WebSocket, server-sent events,
// long polls, POST, all the same channel. Instead of ServeHTTP under a server of
// your own, Serve takes a listener and sets its own time-outs. Shutdown ends either, at
// once; where many are connected, Drain before it spreads their leave.
//
//	request ─→ auth.RequestFilter ─→ api ─┬─ upgrade ──────→ gateway/raw ─→ loop.Engine ⇄ sockets
//	                              ├─ event-stream ─→ gateway/sse
//	                              └─ history, poll, POST, pages
//	POST, sockets, Server.Publish ─→ broker ─Sink→ hub ─→ sockets, streams, polls
//
// # Concurrency
//
// Everything may be called from any goroutine.
//
// # What it does not do
//
// It reads no configuration and no certificate, and opens no port. Without
// Options.Broker it stores nothing.
package server
