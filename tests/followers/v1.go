package followers

import (
	"context"
	"fmt"

	"maru.example/maru/client"
)

// followV1 is package client.
func (f *Follower) followV1(ctx context.Context) {
	c, err := client.Dial(ctx, f.URL, client.Options{Header: f.Header, OnState: func(s client.State, _ error) {
		switch s {
		case client.Waiting:
			f.lost()
		case client.Open:
			f.back()
		}
	}})
	if err != nil {
		f.giveUp(err.Error())
		return
	}
	defer c.Close()
	s, err := c.Subscribe(f.Channel, client.SubscribeOptions{Presence: f.Presence != nil})
	if err != nil {
		f.giveUp(err.Error())
		return
	}
	for ev, err := range s.All(ctx) {
		if err != nil && ctx.Err() == nil {
			f.giveUp(err.Error())
		}
		switch e := ev.(type) {
		case *client.Publication:
			f.take(string(e.Data))
		case *client.Gap:
			f.trouble(fmt.Sprintf("a gap from %d to %d", e.From, e.To))
		case *client.Presence:
			f.Presence(e)
		}
	}
}
