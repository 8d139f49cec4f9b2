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
// One function, RequestFilter.Check, decides for WebSocket, POST, server-sent events, polls
// and pages. Code that answers a request without RequestFilter.Handler must call it.
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
// It has no WebSockets and no channels: a channel is a name that rules are looked up
// for, and the end of a session only calls back. Sessions are in memory, so a restart
// signs everybody out.
package auth
