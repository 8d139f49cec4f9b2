// Million holds 1,000,000 live WebSocket connections on one machine, both ends of
// them, and says what they cost. From bench/:
//
//	go run ./million --connections 1000000
//
// The server is maru's own package server, history on. If one process may not open that
// many files it starts as many as needed, each with a client process of its own. All are in
// one private network namespace:
//
//	million ──→ arena, in its network namespace
//	               ├─→ server 1 ⇄ clients 1
//	               ├─→ server 2 ⇄ clients 2
//	               └─→ …
//
// A few pairs open at a time, each with a bounded number of connections that are not yet
// upgraded, so that no accept queue overflows. When all are open, one message is published
// into each server process, and each client checks its messages. The servers are not
// connected to each other.
//
// It needs Linux, and the right to make a network namespace: root, or user
// namespaces that anybody may make. Without it: exit code 2. Exit code 1 says that
// something was lost, wrong or too late. However it ends, all its processes end:
// each is killed when the one that started it is gone.
//
// # What it does not do
//
// Both ends share the machine, so that times and CPU are no server's alone, as
// they are with the clients elsewhere. Its servers do not talk to each other.
package main
