// Package admission says who may enter now, and knows who is inside: limits in all and by
// address, rates by person, the drain of a server that goes, and the registry of all live
// connections.
//
//	request ─→ Admission.Admit ─refused→ Admission.Refuse: 403, 429, 503 with Retry-After
//	              │ rules, rates, Registry.Reserve
//	              ▼
//	        Registry.Add(live) ─→ disconnect, revoke, drain, metrics ask the registry
//	              ▼
//	        Registry.Remove(live)
//
// A live connection is a WebSocket, an event stream or a waiting poll, whatever carries it. What
// the registry keeps of one is an interface value in a slab, 16 bytes; all else it asks
// the connection for when somebody wants to know (Live).
//
// # Concurrency
//
// Everything is safe for concurrent use. Registry.mu is held for a few instructions, and never
// while a method of a Live runs.
//
// # What it does not do
//
// It knows no channel, decides no right (auth.Rules does) and opens no connection.
package admission
