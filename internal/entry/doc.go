// Package entry is what all ways into a channel share, WebSocket, server-sent
// events, polls and POST alike: who comes and whether there is room (Door), from
// where they want to be served (Replay), and what may be published (Kind,
// CompactJSON).
//
//	request, already judged by auth.RequestFilter ─→ Values, Replay: 400
//	                                       ─→ Door.Admit: 503 too_many_connections
//	                                       ─→ a live connection ─→ Door.Leave
//
// Everything is safe for concurrent use. The package knows no channel and keeps
// no connection.
package entry
