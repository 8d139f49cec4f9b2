package cluster_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/broker/natsd"
	"maru.example/maru/tests/e2e/program"
)

// embeddedServers starts three servers of NATS as maru --cluster does.
func embeddedServers(t *testing.T) []*natsd.Node {
	t.Helper()
	var at []string
	for _, port := range freePorts(t, 3) {
		at = append(at, fmt.Sprintf("127.0.0.1:%d", port))
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := make([]*natsd.Node, 3)
	var starting sync.WaitGroup
	for i := range all {
		o := natsd.Options{Dir: t.TempDir(), Cluster: "suite", Listen: at[i], Peers: append(append([]string(nil), at[:i]...), at[i+1:]...)}
		starting.Go(func() {
			var err error
			if all[i], err = natsd.Start(ctx, o); err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { all[i].Stop() })
		})
	}
	starting.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return all
}

// The contract of maru.Broker on the embedded cluster of three nodes, on one that asks the owner of
// the namespaces.
func TestBrokerOnEmbeddedCluster(t *testing.T) {
	program.InOwnStep(t)
	nodes := embeddedServers(t)
	local := func(t *testing.T, n *natsd.Node, o cluster.Options) *cluster.Broker {
		user, password := n.Credentials(natsd.Client)
		conn, err := cluster.ConnectLocal(t.Context(), n, user, password)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		o.Conn, o.Members = conn, n.Size
		return opened(t, o)
	}
	var prefixes atomic.Int64
	brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
		with := cluster.Options{BrokerOptions: o.BrokerOptions, EmptyChannels: o.EmptyChannels, Prefix: fmt.Sprint("m", prefixes.Add(1)), Replicas: 3, Beat: 3 * time.Second}
		owner := with
		owner.Sink = nil
		own(t, local(t, nodes[0], owner))
		return asking{local(t, nodes[2], with)}
	}, brokertest.RealTime())
}
