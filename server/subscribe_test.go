package server_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
)

func say(t *testing.T, s *server.Server, channel string, texts ...string) (last maru.Position) {
	t.Helper()
	for _, text := range texts {
		at, err := s.Publish(t.Context(), channel, &maru.Publication{Data: []byte(text)})
		if err != nil {
			t.Fatal(err)
		}
		last = at
	}
	return last
}

// take takes n publications and returns their texts.
func take(t *testing.T, sub *server.Subscription, n int) string {
	t.Helper()
	var texts []string
	for range n {
		d, err := sub.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(d.Publication.Data))
	}
	return strings.Join(texts, " ")
}

// A program reads retained and live publications, as a client does.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Options{HistoryPublications: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	first := say(t, s, "a", "1")
	say(t, s, "a", "2", "3", "4", "5")
	for _, c := range []struct {
		name   string
		o      server.SubscribeOptions
		before string
		gap    bool
	}{
		{"from now on", server.SubscribeOptions{}, "", false},
		{"the last two", server.SubscribeOptions{Last: 2}, "4 5", false},
		{"all", server.SubscribeOptions{Last: -1}, "3 4 5", false},
		{"since the first", server.SubscribeOptions{Since: &first}, "3 4 5", true},
	} {
		sub, err := s.Subscribe(t.Context(), "a", c.o)
		if err != nil {
			t.Fatal(err)
		}
		if got := take(t, sub, len(strings.Fields(c.before))); got != c.before || (sub.Gap != nil) != c.gap {
			t.Errorf("%s: %q, gap %+v", c.name, got, sub.Gap)
		}
		defer sub.Close()
		if s.Presence("a").Count+s.Presence("a").Anonymous != 0 {
			t.Errorf("%s: it counts as present", c.name)
		}
	}

	sub, err := s.Subscribe(t.Context(), "a", server.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	six := say(t, s, "a", "6")
	if got := take(t, sub, 1); got != "6" || sub.Position() != six {
		t.Errorf("live: %q at %v, want %v", got, sub.Position(), six)
	}
	sub.Close()
	say(t, s, "a", "7", "8")
	at := sub.Position()
	if sub, err = s.Subscribe(t.Context(), "a", server.SubscribeOptions{Since: &at}); err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var got []string
	ctx, cancel := context.WithCancelCause(t.Context())
	over := errors.New("over")
	defer cancel(nil)
	for d, err := range sub.All(ctx) {
		if err != nil {
			if err != over {
				t.Error(err)
			}
			break
		}
		if got = append(got, string(d.Publication.Data)); len(got) == 2 {
			cancel(over)
		}
	}
	if fmt.Sprint(got) != "[7 8]" {
		t.Errorf("after a pause: %v", got)
	}
	if h, err := s.History(t.Context(), "a", maru.HistoryQuery{Limit: -1}); err != nil || len(h.Publications) != 3 {
		t.Errorf("%+v %v", h, err)
	}
}

// A slow subscription ends with CodeSlow; with Latest only the newest of each key waits.
func TestSubscribeSlowly(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Options{BacklogMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(context.Background())
	all, err := s.Subscribe(t.Context(), "a", server.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	latest, err := s.Subscribe(t.Context(), "a", server.SubscribeOptions{Latest: true})
	if err != nil {
		t.Fatal(err)
	}
	defer latest.Close()
	for i := range 100 {
		p := &maru.Publication{Data: fmt.Append(nil, i), Key: fmt.Sprint("k", i%2)}
		if _, err := s.Publish(t.Context(), "a", p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := all.Next(t.Context()); maru.ErrorOf(err).Code != maru.CodeSlow {
		t.Errorf("all: %v", err)
	}
	if got := take(t, latest, 2); got != "98 99" {
		t.Errorf("latest: %s", got)
	}
}

func TestBadSubscribe(t *testing.T) {
	t.Parallel()
	s, err := server.New(server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := s.Subscribe(t.Context(), "a", server.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if _, err := s.Subscribe(t.Context(), "a/b", server.SubscribeOptions{}); maru.ErrorOf(err).Code != maru.CodeBadChannel {
		t.Errorf("no channel: %v", err)
	}
	if _, err := s.History(t.Context(), "", maru.HistoryQuery{}); maru.ErrorOf(err).Code != maru.CodeBadChannel {
		t.Errorf("history of no channel: %v", err)
	}
	s.Shutdown(context.Background())
	if _, err := sub.Next(t.Context()); maru.ErrorOf(err).Code != maru.CodeShuttingDown {
		t.Errorf("after Shutdown: %v", err)
	}
	if _, err := s.Subscribe(t.Context(), "a", server.SubscribeOptions{}); maru.ErrorOf(err).Code != maru.CodeShuttingDown {
		t.Errorf("subscribing after Shutdown: %v", err)
	}
}
