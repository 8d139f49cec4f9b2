// Package bench puts load on a WebSocket server and reports rates, latency, and the CPU
// and memory of the server process. It is the engine of maru bench.
//
//	result, err := bench.Run(ctx, bench.Options{
//		Mode: bench.Fanout, URL: "ws://127.0.0.1:3000/channels/bench",
//		Connections: 1000, Size: 128, Window: 16, Duration: 10 * time.Second, PID: pid,
//	})
//
// A run goes through its phases:
//
//	open ──→ settle ──→ warm-up ──→ measured ──→ drain ──→ close
//	                                   │           └ nothing new is sent; messages on the way must arrive
//	                                   └ only here CPU, rates and latencies count
//
// Every message has a number and a pattern that follows from it; every byte that
// arrives is checked, and on each connection the numbers rise by one. The first
// fault ends the run.
//
// # Concurrency
//
// All connections are on one loop of internal/loop, so that the tool uses one core. State
// that messages change belongs to that loop's goroutine and has no lock. Run's own goroutine
// opens connections, waits and reads atomic counters; it reads other state after the loop
// has ended. A sampler records the course of the run. The connections of modes Connect and
// Publish are plain goroutines.
//
// # What it does not do
//
// It does not pin processes to cores, and it does not make a server collect its garbage
// before its memory is read: docs/benchmarking.md says how to get fair figures.
package bench
