// Package gateway is the common part of all protocols: the life of a live connection, from the
// request to the end. Each protocol is a package below it with its own wire format: raw, sse,
// v1, socketio. A Mount adds a protocol to the server: one function that registers its forms and
// returns its routes.
//
//	request ─→ Route ─→ Endpoint.Upgrade, Take or Hold
//	                        │ handshake checked, admitted, connection made, listed in the registry
//	                        ▼
//	                    the connection's Enter: identity attached, channel joined
//	                        │ answered, reading begins
//	                        ▼
//	                    the protocol: messages in, hub and session out
//	                        │ closed, by either side
//	                        ▼
//	                    the connection's Exit: channel left, identity released, counted out
//
// There are three kinds of connections; a protocol embeds one in its own type:
//
//   - Connection is the life itself, of a connection of the engine's.
//   - Subscriber is a Connection in one channel for life: raw WebSockets and event streams.
//   - Multiplex is a Connection with a session, many channels on it: maru.v1. A protocol of
//     this kind brings a Codec and a Form, and nothing else; or, for more than a codec can do, a
//     type of its own that embeds it.
//
// Polls and event streams in HTTP/2 are served by the goroutine of their request. They are a
// Response, with the same life.
//
// # Concurrency
//
// A connection is made by the goroutine of its handshake and lives on its loop; whichever of
// the two finishes last releases it (admission.Entry). Each connection has one object and no
// goroutine. Close and Leave may be called from any goroutine.
//
// # What it does not do
//
// It speaks no protocol and decides no rights.
package gateway
