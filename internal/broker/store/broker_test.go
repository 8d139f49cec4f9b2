package store_test

import (
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/disktest"
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

// What the tests of both brokers on disk have in common.
var publish, history, texts = disktest.Publish, disktest.History, disktest.Texts

type lines = disktest.Log

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

func TestDisk(t *testing.T) {
	t.Parallel()
	disktest.Run(t, func(t testing.TB, dir string, o maru.BrokerOptions) maru.Broker {
		return open(t, store.Options{BrokerOptions: o, Dir: dir, BallastBytes: -1})
	})
}
