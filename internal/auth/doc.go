// Package auth says who may connect, who they are and what they may: it judges
// origins, hosts and proxies, keeps the sessions behind the cookie, counts
// connections, and holds the rules of the namespaces.
//
//	request ─→ RequestFilter.Judge ─refused→ WriteError: 421 wrong_host, 403 not_allowed; the log says what to do
//	                │ Caller: address, secure, origin
//	                ▼
//	        RequestFilter.Handler: CORS, preflight, cross-origin protection ─→ /session: Sessions.ServeHTTP
//	                │
//	                ▼
//	        Sessions.Identify(cookie) ─→ Rules.Allow(identity, action, channel) ─→ Limiter.Enter(address)
//	        ─→ Sessions.Attach(session, end)
//
// One function, RequestFilter.Judge, decides for WebSocket, POST, server-sent events,
// polls and pages; whoever answers a request without RequestFilter.Handler calls it.
//
// # Behind a reverse proxy
//
// A proxy must pass Host through unchanged: X-Forwarded-Host and Forwarded are
// never read. X-Forwarded-For and X-Forwarded-Proto count only from addresses
// of Policy.TrustedProxies. Where maru listens on loopback behind a proxy, the
// public name must be one of Policy.Hosts.
//
// # Concurrency
//
// Everything may be called from any goroutine, and the package starts none. A
// RequestFilter is immutable. Sessions and Limiter have one mutex each, never held
// together and never while a function of the caller runs.
//
// # What it does not do
//
// It knows no WebSocket and keeps no channel: a channel is a name that the rules
// are asked for, and a session that ends only calls back.
// It keeps sessions in memory, so a restart signs everybody out.
package auth
