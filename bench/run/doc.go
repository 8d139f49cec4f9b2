// Run measures maru and its peers in turn with maru bench, and writes what it
// found as results.json, RESULTS.md and charts. From bench/, once make limit and
// make npm have been called there:
//
//	go run ./run                                        all peers that are here, five rounds
//	go run ./run --only socketio                        another part: Socket.IO
//	go run ./run --only cluster                         three nodes on NATS beside one node
//	go run ./run --contenders maru,limit,gws --only echo --runs 3
//	go run ./run --server 'mine=/path/to/mine --listen {listen} --mode {mode}'
//	go run ./run --runs 0                               only the page, from the records
//
// Servers have one core and the load tool the other:
//
//	core 0   taskset -c 0, GOMAXPROCS=1: a server, new for each measurement
//	core 1   taskset -c 1: maru bench --pid
//
// They take turns: all servers once in each scenario, another one first in each round, so
// that other work of the machine affects all alike. A measurement in which a message was
// lost, repeated or damaged does not count, and the results say so.
//
// Of a cluster, the measured node has core 0: the one that people subscribe to, or, where publishing is
// measured, the one that owns the channels and is posted to. The other nodes and the servers of NATS, which
// is built from the module that maru's tests have, share core 1 with the load tool; their CPU is reported.
//
// Each measurement is added to the record of its part, such as results.json or results-socketio.json,
// when it is made: a long series can be
// done in pieces, and Ctrl-C loses only the one under way. Rounds are numbered
// through; ratios are of two figures of the same round, so what is to be compared
// belongs into one call.
//
// Where memory is measured, servers in Go are asked to collect their garbage before the
// first connection and again when all stand, by a signal that _collect.go takes: it is
// laid over their main packages when they are built here, and is no part of them
// otherwise.
//
// # What it does not do
//
// It installs nothing: a server that cannot be started ends it. It does not tune:
// every server is as its own documentation begins.
package main
