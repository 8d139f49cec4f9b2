package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/history"
)

// What histories take is counted, and can be given back, the pool of unlisted names first.
func TestShrink(t *testing.T) {
	t.Parallel()
	b := open(t, natsServers(t, 1)[0], cluster.Options{Prefix: prefix(), BrokerOptions: maru.BrokerOptions{Listed: func(name string) bool { return name == "x" }}})
	publishTo(t, b, "x:a", "first")
	publishTo(t, b, "y:a", "of the pool")
	publishTo(t, b, "x:a", "last")
	size := history.Size("x:a", &maru.Publication{Data: []byte("last")})
	before := b.Held()
	if before.Publications != 3 || before.Channels != 2 || before.Bytes < 3*size {
		t.Errorf("%+v", before)
	}
	if freed := b.Shrink(1); freed == 0 {
		t.Error("nothing was freed")
	}
	for channel, want := range map[string]int{"y:a": 0, "x:a": 2} {
		if h, err := b.History(t.Context(), channel, maru.HistoryQuery{Limit: -1}); err != nil || len(h.Publications) != want {
			t.Errorf("%s: %d publications, %v", channel, len(h.Publications), err)
		}
	}
	if freed := b.Shrink(1 << 30); freed == 0 || b.Held().Publications != 0 {
		t.Errorf("freed %d, %+v", freed, b.Held())
	}
}

// A change of owner does not give a publisher a new share of idempotency keys.
func TestKeysKeepTheirShare(t *testing.T) {
	t.Parallel()
	server := natsServers(t, 1)[0]
	o := cluster.Options{Prefix: prefix(), Beat: 200 * time.Millisecond}
	a := open(t, server, o)
	const n = history.PublisherKeys
	done := make(chan error, n)
	for i := range n {
		a.Submit("a", &maru.Publication{Data: []byte("1")}, maru.PublishOptions{Publisher: "kim", IdempotencyKey: fmt.Sprint(i)}, func(_ maru.Published, err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	b := open(t, server, o)
	publish := func(publisher, key string) (maru.Published, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		return maru.Publish(ctx, b, "a", &maru.Publication{Data: []byte("1")}, maru.PublishOptions{Publisher: publisher, IdempotencyKey: key})
	}
	if p, err := publish("kim", "0"); err != nil || !p.Replayed {
		t.Errorf("a known key: %+v, %v", p, err)
	}
	if _, err := publish("kim", "new"); !errors.Is(err, &maru.Error{Code: maru.CodeRateLimited}) {
		t.Errorf("one key too many: %v", err)
	}
	if _, err := publish("lee", "new"); err != nil {
		t.Errorf("another publisher: %v", err)
	}
}
