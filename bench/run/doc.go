// Run measures maru and its peers in turn with maru bench, and writes what it
// found as RESULTS.md and charts. From bench/, once make limit and make npm have
// been called there:
//
//	go run ./run                          all, five times: about half an hour
//	go run ./run --runs 3 --only maru,limit,gws --cases echo --duration 2s
//	go run ./run --server 'mine=/path/to/mine --listen {listen} --mode {mode}'
//
// Servers have one core and the load tool the other:
//
//	core 0   taskset -c 0, GOMAXPROCS=1: a server, new for each measurement
//	core 1   taskset -c 1: maru bench --pid
//
// They take turns: all servers once in each case, then again, so that what else the
// machine does hits all alike. A measurement in which a message was lost, repeated
// or damaged does not count, and the results say so.
//
// # What it does not do
//
// It installs nothing: a server that cannot be started ends it. It does not tune:
// every server is as its own documentation begins.
package main
