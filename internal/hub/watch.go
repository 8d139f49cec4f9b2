package hub

import (
	"context"
	"time"

	"maru.example/maru"
)

// watchInterval is the least time between two answers of Watch.Next.
const watchInterval = time.Second

// Watch follows a channel's presence, and is not counted in it. Only one goroutine may use it.
type Watch struct {
	channel *Channel
	ready   chan struct{} // holds a token when something may have changed
	begun   bool          // something was returned
	version uint64        // returned last
	at      time.Time     // when
}

// Watch begins to follow a channel's presence.
func (h *Hub) Watch(channel string) *Watch {
	c := h.Channel(channel)
	w := &Watch{channel: c, ready: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.presence.watches == nil {
		c.presence.watches = make(map[*Watch]struct{})
	}
	c.presence.watches[w] = struct{}{}
	h.others.Look(channel)
	return w
}

// Await waits until the people of other nodes are known. Errors: those of Others.Await.
func (w *Watch) Await(ctx context.Context) error {
	return w.channel.hub.others.Await(ctx, w.channel.name)
}

// Close ends the watch. It is called once.
func (w *Watch) Close() {
	c := w.channel
	c.mu.Lock()
	delete(c.presence.watches, w)
	c.mu.Unlock()
	c.hub.others.Unlook(c.name)
	c.Release()
}

// Next returns the presence at once the first time, and then after each change, at most once a
// second and only the latest state. Errors: ctx's cause; CodeShuttingDown.
func (w *Watch) Next(ctx context.Context) (maru.Presence, error) {
	for !w.changed() {
		if err := wait(ctx, w, w.ready); err != nil {
			return maru.Presence{}, err
		}
	}
	if rest := time.Until(w.at.Add(watchInterval)); rest > 0 {
		if err := wait(ctx, w, time.After(rest)); err != nil {
			return maru.Presence{}, err
		}
	}
	p := w.channel.snapshot()
	w.begun, w.version, w.at = true, p.Version, time.Now()
	return sorted(p), nil
}

func (w *Watch) changed() bool {
	c := w.channel
	c.mu.Lock()
	defer c.mu.Unlock()
	return !w.begun || w.version != c.presence.version
}

func wait[T any](ctx context.Context, w *Watch, event <-chan T) error {
	select {
	case <-event:
		return nil
	case <-w.channel.hub.done:
		return errShuttingDown
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
