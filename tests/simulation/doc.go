// Package simulation runs a cluster in virtual time: up to a hundred nodes, each the real hub on the
// real broker of package cluster, and one real server of NATS, all in this process. Between them is a
// link for each node that delays, loses and counts what passes.
//
//	hub ─ cluster.Broker ─ nats.Conn ─┤ link: delay, loss, counts ├─ server of NATS with JetStream
//
// The tests compare what was counted with the formulas of Load.PerSecond, which docs/scaling.md uses to say
// what a cluster of any size costs. They also check what subscribers received: each publication once,
// in order, also while messages are lost.
//
// The defaults take a few seconds. More nodes:
//
//	go test ./tests/simulation -v -nodes 3,10,30,100 -timeout 30m
//
// What is not simulated: several servers of NATS with replicas, whose messages among each other the
// model states, and time that a processor needs. Virtual time passes only when everybody waits.
package simulation
