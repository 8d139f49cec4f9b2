// Package calls asks other nodes over a maru.Bus. Questions and answers may be longer than a message of
// the bus, and a question that is given up ends the work for it on the other node.
//
//	c := calls.New(bus, "sum", log, func(ctx context.Context, from string, q []byte) ([]byte, error) { … })
//	answer, err := c.Call(ctx, node, question)
//
// What is longer than a message is sent in parts, each of which waits for the one before:
//
//	P part ─→ ok · P part ─→ ok · C last part ─→ first part of the answer, more · N ─→ next part, the last
//
// What is held for other nodes is bounded, and one node has at most half of it. What another node began
// and does not continue is forgotten after half a minute, and when that node leaves.
//
// Everything is safe for concurrent use. Lock order: Calls.mu is the last.
package calls
