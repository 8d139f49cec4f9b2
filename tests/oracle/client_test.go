package oracle

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/client"
)

// readClient reads with the client for Go, which comes back by itself: each time to one of the
// servers, by chance.
func readClient(ctx context.Context, f *follower) error {
	c, err := client.Dial(ctx, "http://"+f.addr, wandering(f.addrs, func(string) {}))
	if err != nil {
		return err
	}
	defer c.Close()
	sub, err := c.Subscribe(f.channel, client.SubscribeOptions{Since: &maru.Position{Epoch: f.epoch, Offset: f.offset}})
	if err != nil {
		return err
	}
	for event, err := range sub.All(ctx) {
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case *client.Gap:
			f.sawGap(&gap{e.Reason, e.From, e.To})
		case *client.Subscribed:
			f.at(e.Epoch, e.Offset)
			if f.done() {
				return errDone
			}
		case *client.Publication:
			if err := f.see(ctx, publication{e.Offset, e.Event, string(e.Data)}); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}
