// Package client is maru's client for Go. It speaks maru.v1 (docs/protocol.md) over
// one connection, comes back by itself, and then brings what was missed once
// and in order, or says what is missing.
//
//	c, err := client.Dial(ctx, "https://maru.example.org", client.Options{})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	orders, err := c.Subscribe("orders", client.SubscribeOptions{Last: 20})
//	if err != nil {
//		return err
//	}
//	for event, err := range orders.All(ctx) {
//		if err != nil {
//			return err
//		}
//		switch e := event.(type) {
//		case *client.Publication:
//			fmt.Printf("%d %s\n", e.Offset, e.Data)
//		case *client.Gap:
//			fmt.Println("missing:", e.From, "to", e.To)
//		}
//	}
//
// # The connection
//
// It is opened at once, and after a loss again: after a random time that grows to 20 s, when the
// server says so not before that. It ends for good by Close, and when the server says
// that coming back is of no use (docs/protocol.md §7): not allowed, revoked, a
// token that is not valid. Then Done is closed and Err says why.
//
//	New ─→ Connecting ─→ Open ─→ (lost) Waiting ─→ Connecting ─→ …
//	                       └──→ (Close, or for good) Closed
//
// # What waits
//
// Everything that waits takes a context, and waits as long as that lets it. A command waits
// for a connection, and where it may be repeated is sent again after a drop:
// publications have an idempotency key, which keeps them from being there twice.
// Those of one goroutine keep their order.
//
// # Order and backpressure
//
// The events of a subscription come in the channel's order, and wait for the program in a
// queue of their own. If the program does not take them, the queue fills
// (SubscribeOptions.MaxQueued) and the subscription is taken back from the server; when
// there is room, what was missed is fetched from the history piece by piece, and then it is
// live again. Memory is bounded, nothing is lost that the server retains, a gap is told
// else, and neither other subscriptions nor commands are held up. So a program may publish from the loop in which it reads. With
// Latest only the newest of each key waits.
//
// # Concurrency
//
// All methods of Client and Subscription are safe for concurrent use. If several goroutines
// take events of one subscription, each event goes to one of them. What an event holds is
// the program's own. A client has a goroutine for each connection, and those of the WebSocket;
// Close returns when all have ended.
//
// Lock order: Client.mu, then a queue's. No function of the program is called with
// either held.
package client
