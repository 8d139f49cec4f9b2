package cluster_test

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/broker/cluster"

	"github.com/nats-io/nats-server/v2/server"
	nats "github.com/nats-io/nats.go"
)

// natsServers starts so many servers of NATS with JetStream, as one cluster, in this process.
func natsServers(t testing.TB, n int) []*server.Server {
	t.Helper()
	ports := freePorts(t, n)
	routes := make([]string, n)
	for i, port := range ports {
		routes[i] = fmt.Sprintf("nats://127.0.0.1:%d", port)
	}
	all := make([]*server.Server, n)
	for i := range all {
		o := &server.Options{
			ServerName: fmt.Sprint("n", i), Host: "127.0.0.1", Port: -1, NoSigs: true,
			JetStream: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 50,
		}
		if n > 1 {
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: ports[i]}
			o.Routes = server.RoutesFromStr(strings.Join(routes, ","))
		}
		all[i] = run(t, o)
	}
	for _, s := range all {
		if !s.ReadyForConnections(20 * time.Second) {
			t.Fatal("NATS does not start")
		}
	}
	waitFor(t, "a leader of JetStream", func() bool {
		if n == 1 {
			return all[0].JetStreamEnabled()
		}
		for _, s := range all {
			if s.JetStreamIsLeader() {
				return true
			}
		}
		return false
	})
	return all
}

// serverOptions are the *server.Options of each *server.Server, for those that are started again.
var serverOptions sync.Map

func run(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	s, err := server.NewServer(o.Clone())
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	serverOptions.Store(s, o)
	return s
}

func freePorts(t testing.TB, n int) []int {
	ports := make([]int, n)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports[i] = l.Addr().(*net.TCPAddr).Port
	}
	return ports
}

func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within 30 s", what)
		}
	}
}

func connect(t testing.TB, s *server.Server) *nats.Conn {
	t.Helper()
	c, err := nats.Connect(s.ClientURL(), cluster.ConnOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

var prefixes atomic.Int64

// prefix is that of a cluster of its own.
func prefix() string { return fmt.Sprint("m", prefixes.Add(1)) }

func open(t testing.TB, s *server.Server, o cluster.Options) *cluster.Broker {
	t.Helper()
	o.Conn = connect(t, s)
	b, err := cluster.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
