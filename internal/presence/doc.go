// Package presence joins the presence of several nodes: it is a hub.Others on a maru.Bus.
//
// A node sends its people of a channel only to nodes that look at the channel's presence. One that
// looks begins a session with each other node, and in it names channels:
//
//	looking node                          each other node
//	  begin  session ────────────────────────→  viewer of this node
//	  watch  session · 1 · +chat ────────────→  reads the hub, remembers to whom changes go
//	  hub.Foreign.Set ←──────── people session · 1 · chat, all
//	  hub.Foreign.Change ←───── people session · 2 · chat, changes of 250 ms
//	  keep   session · 1 · 2 ────────────────→  once a second: what was sent and received
//	          ←──────────────── again session   something was lost: begin anew
//
// The bus may lose messages. Both directions of a session are numbered: a hole, or a keep that does
// not fit, begins a new session, whose first answers replace what is there. Until then, and while a
// node is silent, its people stay. They go when the bus reports that the node is no longer alive.
//
// A channel that nobody looks at any more is still watched for some seconds, so that asking for a
// presence now and then does not ask the other nodes each time.
//
// # Concurrency and locks
//
// One goroutine has the sessions and calls the hub. Presence.mu guards what the hub's callers leave
// for it; it is taken after the locks of the hub, and the hub is not called with it held.
//
// # What it does not do
//
// It knows no gateway, and nothing of who may see a presence.
package presence
