// Package session is the life of one client that sends commands and gets replies and
// pushes. It is typed: each protocol brings a codec between its own bytes and the
// commands, replies and pushes of this package.
//
//	message ─→ the protocol's decoder ─→ Session.Do ─┬─ does not wait: at once, in the caller's goroutine
//	                                                └─ may wait (Connect with a token, Subscribe, History, Refresh;
//	                                                   with Options.AllowWaits all that ask it): in one goroutine,
//	                                                   and the next commands queue behind it
//	message ←─ the protocol's encoder ←─ Connection.Reply, Connection.Push
//	publications ←─ the hub ←─ the subscriptions that Connection.Subscribe makes
//
// Commands are carried out in the order in which they came. Replies have that order
// too, except for those of Publish and RPC, which come when they are ready. An idle
// session has no goroutine, and a session that waits for a history delays no other
// session.
//
// A client with too many commands is not read for a while. With maru.MaxQueuedCommands commands
// in the queue, or maru.MaxInflight publications in progress, the session pauses the connection
// until there is room. A remote call that is one more than maru.MaxCalls waits in the queue for
// one of them to end.
//
// There is one file for each command: its fields, its reply, and its work.
//
// # Concurrency
//
// Begin comes first and Closed last. Do is called by one goroutine at a time; Closed, Channels
// and Review by any. Everything else happens under Session.mu, which is never held while
// something waits or while a subscription begins. Connection.Pause and Connection.Resume
// are called under Session.mu, so that their order is right.
//
// # What it does not do
//
// It knows no socket, no HTTP, no JSON and no rules. Options.Allow and Connection.MayPublish
// decide what a client may do. Connection.Subscribe delivers the publications of a channel.
package session
