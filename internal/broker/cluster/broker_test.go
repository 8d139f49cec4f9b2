package cluster_test

import (
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/cluster"
)

// The contract of maru.Broker, on the node that owns the namespaces and on one that asks it. On three
// servers it is run by tests/cluster.
func TestBroker(t *testing.T) {
	for name, asks := range map[string]bool{"owner": false, "another node": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers := natsServers(t, 1)
			brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
				with := cluster.Options{BrokerOptions: o.BrokerOptions, EmptyChannels: o.EmptyChannels, Prefix: prefix(), Beat: 3 * time.Second}
				if !asks {
					return open(t, servers[0], with)
				}
				owner := with
				owner.Sink = nil
				own(t, open(t, servers[0], owner))
				return asking{open(t, servers[0], with)}
			}, brokertest.RealTime())
		})
	}
}

// An asking node owns nothing: what is retained is counted where it is.
type asking struct{ *cluster.Broker }

// Held hides that of the Broker: it is not a maru.HeldReporter's.
func (asking) Held() {}

// own makes a node the owner of the namespaces that the suite uses.
func own(t *testing.T, b *cluster.Broker) {
	t.Helper()
	for _, channel := range []string{"a", "x:a", "y:a", "b:a", "other:a"} {
		if _, err := b.History(t.Context(), channel, maru.HistoryQuery{}); err != nil {
			t.Fatal(err)
		}
	}
}
