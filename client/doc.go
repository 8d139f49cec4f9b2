// Package client is maru's client for Go. It speaks maru.v1 (docs/protocol.md) over one
// connection and reconnects by itself. After that it delivers the missed publications,
// once and in order, or reports the gap.
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
// It is opened at once. After a loss it is opened again, after a random time that grows to
// 20 s, and not before the time that the server asked for. It ends for good by Close, and
// when the server says not to come back (docs/protocol.md §7): not allowed, revoked, an
// invalid token. Then Done is closed and Err has the reason.
//
//	New ─→ Connecting ─→ Open ─→ (lost) Waiting ─→ Connecting ─→ …
//	                       └──→ (Close, or for good) Closed
//
// # Waiting
//
// Every method that waits takes a context. A command waits for a connection. If it may be
// repeated, it is sent again after a lost connection: publications have an idempotency
// key, so that they are not published twice. Publications of one goroutine keep their
// order.
//
// # Order and backpressure
//
// The events of a subscription come in the channel's order, and wait for the program in a
// queue of their own. When the queue is full (SubscribeOptions.MaxQueued), the client
// unsubscribes at the server. When there is room, it fetches the missed publications from
// the history piece by piece, and then subscribes again.
//
// So memory is bounded, and nothing that the server retains is lost; a Gap reports the
// rest. Other subscriptions and commands do not wait, so a program may publish from the
// loop in which it reads. With Latest only the newest publication of each key waits.
//
// # Concurrency
//
// All methods of Client and Subscription are safe for concurrent use. If several goroutines
// read one subscription, each event goes to one of them. Events belong to the program. A
// client has a goroutine for each connection, and those of the WebSocket; Close returns
// when all have ended.
//
// Lock order: Client.mu, then a queue's mutex. No function of the program is called with
// either held.
package client
