// Package api is maru over plain HTTP, and the map of its addresses: it routes
// each request to what answers it, publishes, and answers history, polls and
// presence.
//
//	/                         the channel hall; a browser gets the chat page
//	/channels/NAME            GET: WebSocket, server-sent events, page or history; POST: publish
//	/channels/NAME/presence   GET: JSON or server-sent events
//	/quotes  /assets/…        pages
//	/session                  sign-in
//	/tickets                  tickets that stand for somebody once
//	/admin/disconnect  /admin/revoke   for back ends: end somebody's connections, or their right to come back
//	/healthz                  200 ok
//
// It stands behind auth.RequestFilter.Handler. Paths are matched as they were escaped by
// the client and never cleaned; a name is unescaped exactly once.
//
// # Concurrency
//
// Everything may be called from any goroutine. A waiting poll is served by the
// goroutine of its request and counts as a live connection.
//
// # What it does not do
//
// It makes no live connections itself: Options.Sockets, Events and
// PresenceEvents do.
package api
