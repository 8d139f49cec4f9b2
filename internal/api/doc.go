// Package api is maru over plain HTTP. It routes each request to its handler, publishes, and
// answers history, polls and presence.
//
//	/                         the channel hall; a browser gets the chat page
//	/channels/NAME            GET: WebSocket, server-sent events, page or history; POST: publish
//	/channels/NAME/presence   GET: JSON or server-sent events
//	/quotes  /assets/…        pages
//	/session                  sign-in
//	/tickets                  single-use tickets in place of a token
//	/admin/…                  for back ends: disconnect, unsubscribe, revoke
//	/admin/backup                      what is stored, for a back end
//	/healthz  /readyz  /metrics        health checks and metrics
//
// It stands behind auth.RequestFilter.Handler. Paths are matched as the client escaped them,
// and never cleaned; a name is unescaped exactly once.
//
// # Concurrency
//
// Everything may be called from any goroutine. A waiting poll is served by the
// goroutine of its request and counts as a live connection.
//
// # What it does not do
//
// It makes no WebSockets and event streams itself: the gateways in Options.Routes do.
package api
