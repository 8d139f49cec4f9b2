package cluster_test

import (
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/cluster"
)

// The contract of maru.Broker, on one server and on three with three replicas, on the node that owns
// the namespaces and on one that asks it.
func TestBroker(t *testing.T) {
	for name, c := range map[string]struct {
		servers int
		asks    bool
	}{
		"one server":                  {1, false},
		"one server, another node":    {1, true},
		"three servers":               {3, false},
		"three servers, another node": {3, true},
	} {
		t.Run(name, func(t *testing.T) {
			servers := natsServers(t, c.servers)
			brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
				with := cluster.Options{BrokerOptions: o.BrokerOptions, EmptyChannels: o.EmptyChannels, Prefix: prefix(), Replicas: c.servers, Beat: 3 * time.Second}
				if c.asks {
					owner := with
					owner.Sink = nil
					own(t, open(t, servers[0], owner))
				}
				return open(t, servers[c.servers-1], with)
			}, brokertest.RealTime())
		})
	}
}

// own makes a node the owner of the namespaces that the suite uses.
func own(t *testing.T, b *cluster.Broker) {
	t.Helper()
	for _, channel := range []string{"a", "x:a", "y:a", "b:a", "other:a"} {
		if _, err := b.History(t.Context(), channel, maru.HistoryQuery{}); err != nil {
			t.Fatal(err)
		}
	}
}
