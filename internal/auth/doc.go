// Package auth decides who may connect, who they are and what they may do. It checks
// origins, hosts and proxies, keeps the sessions behind the cookie, counts connections,
// and holds the rules of the namespaces.
//
//	request ─→ RequestFilter.Check ─refused→ WriteError: 421 wrong_host, 403 not_allowed; the log names the remedy
//	                │ Caller: address, secure, origin
//	                ▼
//	        RequestFilter.Handler: CORS, preflight, cross-origin protection ─→ /session: Sessions.ServeHTTP
//	                │
//	                ▼
//	        Sessions.Identify(cookie) ─→ Rules.Allow(ctx, identity, action, channel) ─→ Limiter.Enter(address)
//	        ─→ Sessions.Attach(session, end)
//
// An identity stands as long as what it rests on: Authenticator.Check asks whether it still
// does. Its users ask again after a change (see package admission), so that what is withdrawn
// ends what lived by it.
//
// One function, RequestFilter.Check, decides for WebSocket, POST, server-sent events, polls
// and pages. Code that answers a request without RequestFilter.Handler must call it.
//
// # Behind a reverse proxy
//
// A proxy must pass Host through unchanged: X-Forwarded-Host, and the host in
// Forwarded, are never read. X-Forwarded-For and X-Forwarded-Proto, or without
// them Forwarded, count only from addresses of Policy.TrustedProxies. Where maru
// listens on loopback behind a proxy, the public name must be one of
// Policy.Hosts.
//
// # Concurrency
//
// Everything may be called from any goroutine. A RequestFilter and Tokens are immutable. No
// mutex is held while a function of the caller runs, or while a maru.Keeper works, except
// the one that puts revocations in order. KeySet has a goroutine until its Close, and Sessions
// has some that remove ended sessions from disk, and one that renews shared ones; Close waits for them.
//
// # What it does not do
//
// It has no WebSockets and no channels: a channel is a name that rules are looked up
// for, and the end of a session only calls back. Revocations, sessions and tickets are in
// memory; with Authenticator.Keep they are also on disk, or shared with other nodes, and with
// Authenticator.Join the nodes also end each other's connections.
package auth
