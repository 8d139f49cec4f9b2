package store_test

import (
	"context"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/store"
)

func open(t testing.TB, o store.Options) *store.Broker {
	t.Helper()
	b, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// in are the options of a broker in a directory that keeps the same in every namespace.
func in(dir string, r maru.Retention) store.Options {
	return store.Options{
		Dir: dir, BallastBytes: -1,
		BrokerOptions: maru.BrokerOptions{Retention: func(string) maru.Retention { return r }},
	}
}

func kept(publications int, d maru.Durability) maru.Retention {
	return maru.Retention{Publications: publications, Durability: d}
}

func publish(t testing.TB, b maru.Broker, channel, text string, o ...maru.PublishOptions) maru.Published {
	t.Helper()
	done, err := maru.Publish(context.Background(), b, channel, &maru.Publication{Data: []byte(text)}, append(o, maru.PublishOptions{})[0])
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func history(t testing.TB, b maru.Broker, channel string, since ...maru.Position) maru.History {
	t.Helper()
	q := maru.HistoryQuery{Limit: -1}
	if len(since) > 0 {
		q.Since = &since[0]
	}
	h, err := b.History(context.Background(), channel, q)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func texts(h maru.History) string {
	var all []string
	for _, p := range h.Publications {
		all = append(all, string(p.Data))
	}
	return strings.Join(all, " ")
}

func TestBroker(t *testing.T) {
	t.Parallel()
	for _, durability := range []maru.Durability{maru.Interval, maru.Sync} {
		t.Run(durability.String(), func(t *testing.T) {
			t.Parallel()
			brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
				kept := o.Retention("")
				kept.Durability = durability
				o.Retention = func(string) maru.Retention { return kept }
				return open(t, store.Options{BrokerOptions: o.BrokerOptions, Dir: t.TempDir(), BallastBytes: -1})
			}, brokertest.RealTime())
		})
	}
}
