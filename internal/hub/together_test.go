package hub_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// Channels that are attached together come in the order of offsets over all of them: what they
// retain, what is published meanwhile, and what follows.
func TestAttachTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		names := []string{"b", "a", "c"}
		for i, text := range numbers(1, 7) {
			w.publish(names[i%3], text)
		}
		c := w.connect()
		var all []hub.Attachment
		for _, name := range names {
			ch := w.hub.Channel(name)
			defer ch.Release()
			j, err := ch.Join(t.Context(), hub.Mode{}, &maru.HistoryQuery{Since: &maru.Position{Epoch: epoch, Offset: 2}, Limit: -1})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hub.Attachment{Joining: j, Socket: c.socket(bare)})
			w.publish("a", "x") // in the history of those that join later, and waiting for those before
			w.publish("c", "y")
		}
		if err := hub.AttachTogether(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		w.publish("b", "z")
		synctest.Wait()
		want := append(numbers(3, 7), "x", "y", "x", "y", "x", "y", "z")
		if !slices.Equal(c.messages(), want) {
			t.Errorf("got %q, want %q", c.messages(), want)
		}
		if p := w.hub.Presence("b"); p.Anonymous != 1 {
			t.Errorf("presence %+v", p)
		}
	})
}

// If it fails, none is attached, and nothing is left that collects.
func TestAttachTogetherFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{QueueMessages: 1})
		c := w.connect()
		var all []hub.Attachment
		for _, name := range []string{"a", "b"} {
			ch := w.hub.Channel(name)
			defer ch.Release()
			j, err := ch.Join(context.Background(), hub.Mode{}, &maru.HistoryQuery{Limit: -1})
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hub.Attachment{Joining: j, Socket: c.socket(bare)})
		}
		w.publish("b", "1")
		w.publish("b", "2")
		var e *maru.Error
		if err := hub.AttachTogether(t.Context(), all); !errors.As(err, &e) || e.Code != maru.CodeSlow {
			t.Errorf("%v, want slow", err)
		}
		w.publish("a", "3")
		synctest.Wait()
		if got := c.messages(); len(got) != 0 {
			t.Errorf("got %q", got)
		}
	})
}
