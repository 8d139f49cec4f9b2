// Package admission decides whether a new live connection is accepted, and lists those that are
// open: limits in total and by address, rates by person, the drain of a stopping server, and
// the registry of all live connections.
//
//	request ─→ Admission.Admit ─refused→ Admission.Refuse: 403, 429, 503 with Retry-After
//	              │ rules, rates, Registry.Reserve
//	              ▼
//	        Registry.Add(live) ─→ disconnect, unsubscribe, drain, metrics ask the registry
//	              │                rules, keys or anything else changes ─→ Review: may it go on?
//	              ▼
//	        Registry.Remove(live)
//
// A live connection is a WebSocket, an event stream or a waiting poll. The registry keeps only
// an interface value of 16 bytes for each; it asks the connection for the rest when needed
// (Live).
//
// In a cluster the nodes announce to each other what they have allowed: see Admission.Join.
//
// # Concurrency
//
// Everything is safe for concurrent use. Registry.mu is held for a few instructions, and never
// while a method of a Live runs.
//
// # What it does not do
//
// It knows no channels and opens no connections. May puts together what decides about a right:
// auth.Authenticator and auth.Rules.
package admission
