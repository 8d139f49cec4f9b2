package server_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/server"
)

// away is a broker that takes the first publications, and says that it does not know whether it did.
type away struct {
	maru.Broker
	code maru.Code

	mu   sync.Mutex
	left int // errors
	keys []string
}

func (b *away) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys = append(b.keys, o.IdempotencyKey)
	answer := done
	if b.left--; b.left >= 0 {
		answer = func(maru.Published, error) { done(maru.Published{}, maru.NewError(b.code, "away")) }
	}
	b.Broker.Submit(channel, p, o, answer)
}

// A program that waits publishes once, however often the broker is unavailable before. Other errors, and the end of
// its context, end the waiting.
func TestPublishWaits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wait   bool
		key    string
		code   maru.Code
		errors int
		want   maru.Code // empty: published
		tries  int       // 0: several
	}{
		"no wait":         {false, "", maru.CodeUnavailable, 2, maru.CodeUnavailable, 1},
		"back after two":  {true, "", maru.CodeUnavailable, 2, "", 3},
		"with a key":      {true, "k", maru.CodeUnavailable, 1, "", 2},
		"never back":      {true, "", maru.CodeUnavailable, 1 << 20, maru.CodeUnavailable, 0},
		"another error":   {true, "", maru.CodeStorageFull, 1, maru.CodeStorageFull, 1},
		"no error at all": {true, "", "", 0, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b *away
			s, err := server.New(server.Options{Open: true, Broker: func(o maru.BrokerOptions) (maru.Broker, error) {
				b = &away{Broker: memory.New(memory.Options{Sink: o.Sink}), code: c.code, left: c.errors}
				return b, nil
			}, HistoryAge: time.Hour, Access: server.Access{Namespaces: map[string]server.Namespace{
				"default": {Subscribe: maru.Anyone, Retention: maru.Retention{Durability: maru.Sync}}}}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Shutdown(context.WithoutCancel(t.Context()))
			ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
			defer cancel()
			_, err = s.PublishWith(ctx, "news", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{Wait: c.wait, IdempotencyKey: c.key})
			if c.want == "" && err != nil || c.want != "" && !errors.Is(err, &maru.Error{Code: c.want}) {
				t.Errorf("%v, want %q", err, c.want)
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if n := len(b.keys); c.tries > 0 && n != c.tries || c.tries == 0 && n < 2 {
				t.Errorf("%d attempts", n)
			}
			for _, key := range b.keys {
				if c.wait && key == "" || key != b.keys[0] || c.key != "" && key != c.key {
					t.Errorf("keys %q", b.keys)
				}
			}
			h, err := s.History(t.Context(), "news", maru.HistoryQuery{Limit: -1})
			if err != nil || len(h.Publications) != 1 {
				t.Errorf("%d publications, %v", len(h.Publications), err)
			}
		})
	}
}
