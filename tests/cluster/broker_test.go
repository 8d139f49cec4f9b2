package cluster_test

import (
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/brokertest"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/tests/e2e/program"

	natsserver "github.com/nats-io/nats-server/v2/server"
	nats "github.com/nats-io/nats.go"
)

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.checks", "5") // each opens a broker, with streams of its own
	code := m.Run()
	if fleetDir != "" {
		os.RemoveAll(fleetDir)
	}
	os.Exit(code)
}

// The contract of maru.Broker on three servers of NATS with three replicas: on the node that owns the
// namespaces, and on one that asks it.
func TestBrokerOnThreeServers(t *testing.T) {
	program.InOwnStep(t)
	urls := threeServers(t)
	var prefixes atomic.Int64
	for name, asks := range map[string]bool{"owner": false, "another node": true} {
		t.Run(name, func(t *testing.T) {
			brokertest.Run(t, func(t *testing.T, o brokertest.Options) maru.Broker {
				with := cluster.Options{BrokerOptions: o.BrokerOptions, EmptyChannels: o.EmptyChannels, Prefix: fmt.Sprint("m", prefixes.Add(1)), Replicas: 3, Beat: 3 * time.Second}
				if !asks {
					return open(t, urls[2], with)
				}
				owner := with
				owner.Sink = nil
				own(t, open(t, urls[0], owner))
				return asking{open(t, urls[2], with)}
			}, brokertest.RealTime())
		})
	}
}

func open(t *testing.T, url string, o cluster.Options) *cluster.Broker {
	t.Helper()
	conn, err := nats.Connect(url, cluster.ConnOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	o.Conn = conn
	return opened(t, o)
}

func opened(t *testing.T, o cluster.Options) *cluster.Broker {
	t.Helper()
	b, err := cluster.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
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

// threeServers starts three servers of NATS as one cluster.
func threeServers(t *testing.T, change ...func(i int, o *natsserver.Options)) (urls []string) {
	t.Helper()
	ports := freePorts(t, 3)
	var routes []string
	for _, port := range ports {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", port))
	}
	var all []*natsserver.Server
	for i, port := range ports {
		o := &natsserver.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 50,
			Cluster: natsserver.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}, Routes: natsserver.RoutesFromStr(strings.Join(routes, ",")),
		}
		for _, f := range change {
			f(i, o)
		}
		s, err := natsserver.NewServer(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		all = append(all, s)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		for _, s := range all {
			if s.JetStreamIsLeader() {
				for _, s := range all {
					urls = append(urls, s.ClientURL())
				}
				return urls
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("JetStream has no leader after 30 s")
		}
	}
}

// freePorts returns ports that nobody listens on now.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}
