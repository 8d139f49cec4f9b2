package natsd_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/broker/natsd"
	"maru.example/maru/tests/logged"

	nats "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// NATS leaves this one where there is no port for clients.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/nats-io/nats-server/v2/server.(*Server).StartRouting"))
}

const secret = "0123456789abcdef0123456789abcdef"

// addresses are of ports that nobody listens on now.
func addresses(t *testing.T, n int) (all []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l.Addr().String())
	}
	return all
}

// options are those of node i of a cluster.
func options(t *testing.T, at []string, i int) natsd.Options {
	o := natsd.Options{Dir: t.TempDir(), Cluster: "a", Listen: at[i], Secret: []byte(secret)}
	for j := range at {
		if j != i {
			o.Peers = append(o.Peers, at[j])
		}
	}
	return o
}

// start starts nodes, all at once.
func start(t *testing.T, all ...natsd.Options) []*natsd.Node {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	nodes := make([]*natsd.Node, len(all))
	errs := make([]error, len(all))
	var starting sync.WaitGroup
	for i, o := range all {
		starting.Go(func() { nodes[i], errs[i] = natsd.Start(ctx, o) })
	}
	starting.Wait()
	for i, n := range nodes {
		if errs[i] != nil {
			t.Error(errs[i])
			continue
		}
		t.Cleanup(func() { n.Stop() })
	}
	if t.Failed() {
		t.FailNow()
	}
	return nodes
}

func connect(t *testing.T, n *natsd.Node) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect("", nats.InProcessServer(n), nats.UserInfo(n.Credentials(natsd.Client)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func publish(t *testing.T, js jetstream.JetStream, data string) {
	t.Helper()
	again(t, func(ctx context.Context) error {
		_, err := js.Publish(ctx, "x", []byte(data), jetstream.WithMsgID(data))
		return err
	})
}

// again does something until it succeeds: a group of replicas that has lost its leader needs some seconds.
func again(t *testing.T, do func(context.Context) error) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		err := do(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// Three nodes are a cluster that goes on without any one of them, and that one comes back with its
// directory.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	at := addresses(t, 3)
	all := []natsd.Options{options(t, at, 0), options(t, at, 1), options(t, at, 2)}
	nodes := start(t, all...)
	js := connect(t, nodes[0])
	again(t, func(ctx context.Context) error {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: "s", Subjects: []string{"x"}, Replicas: 3})
		return err
	})
	publish(t, js, "1")
	name := nodes[2].Name()
	if err := nodes[2].Stop(); err != nil {
		t.Fatal(err)
	}
	publish(t, js, "2")
	nodes[2] = start(t, all[2])[0]
	if got := nodes[2].Name(); got != name {
		t.Errorf("the node returned as %s, not as %s", got, name)
	}
	nodes[0].Stop()
	js = connect(t, nodes[2])
	publish(t, js, "3")
	again(t, func(ctx context.Context) error {
		s, err := js.Stream(ctx, "s")
		if err == nil && s.CachedInfo().State.Msgs != 3 {
			t.Errorf("%+v", s.CachedInfo().State)
		}
		return err
	})
	if nodes[1].Size() != 3 {
		t.Errorf("the cluster has %d nodes", nodes[1].Size())
	}
}

// logs is a log that can be waited for.
type logs struct{ logged.Text }

func (l *logs) wait(t *testing.T, words ...string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		for line := range strings.Lines(l.String()) {
			found := 0
			for _, word := range words {
				if strings.Contains(line, word) {
					found++
				}
			}
			if found == len(words) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no line with %q in:\n%s", words, l.String())
		}
	}
}

// A node of another cluster, or with another secret, is refused, and the log says why.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*natsd.Options)
		want   []string
	}{
		"another cluster": {func(o *natsd.Options) { o.Cluster = "b" }, []string{"ERROR", "a node is refused", `\"a\"`, `\"b\"`}},
		"another secret":  {func(o *natsd.Options) { o.Secret = []byte(strings.Repeat("s", 32)) }, []string{"ERROR", "a node is refused", "secret"}},
		"no secret":       {func(o *natsd.Options) { o.Secret = nil }, []string{"ERROR", "a node is refused", "secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := addresses(t, 2)
			ours, theirs := options(t, at, 0), options(t, at, 1)
			var log logs
			ours.Logger = slog.New(slog.NewTextHandler(&log, nil))
			theirs.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
			c.change(&theirs)
			ctx, cancel := context.WithCancel(t.Context())
			var starting sync.WaitGroup
			for _, o := range []natsd.Options{ours, theirs} {
				starting.Go(func() {
					if n, err := natsd.Start(ctx, o); err == nil {
						n.Stop()
						t.Error("they have found each other")
					}
				})
			}
			log.wait(t, c.want...)
			cancel()
			starting.Wait()
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	good := natsd.Options{Dir: "d", Cluster: "a-1", Listen: "127.0.0.1:1", Peers: []string{"localhost:2"}}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*natsd.Options){
		"no directory":           func(o *natsd.Options) { o.Dir = "" },
		"no name":                func(o *natsd.Options) { o.Cluster = "" },
		"a name with a dot":      func(o *natsd.Options) { o.Cluster = "a.b" },
		"a long name":            func(o *natsd.Options) { o.Cluster = strings.Repeat("a", 33) },
		"no peers":               func(o *natsd.Options) { o.Peers = nil },
		"a peer without a port":  func(o *natsd.Options) { o.Peers = []string{"10.0.0.1"} },
		"a port of 0":            func(o *natsd.Options) { o.Listen = "127.0.0.1:0" },
		"a short secret":         func(o *natsd.Options) { o.Secret = []byte("secret") },
		"half a certificate":     func(o *natsd.Options) { o.CertFile = "c" },
		"both":                   func(o *natsd.Options) { o.Secret = []byte(secret); o.CertFile, o.KeyFile, o.CAFile = "c", "k", "a" },
		"open to other machines": func(o *natsd.Options) { o.Listen = "0.0.0.0:1" },
		"open to all addresses":  func(o *natsd.Options) { o.Listen = ":1" },
	} {
		o := good
		change(&o)
		if err := o.Check(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	good.Listen, good.Secret = ":1", []byte(secret)
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

// What is wrong with a directory or an address is an error of the start.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	used, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer used.Close()
	at := addresses(t, 2)
	for name, change := range map[string]func(*testing.T, *natsd.Options){
		"a port in use": func(t *testing.T, o *natsd.Options) { o.Listen = used.Addr().String() },
		"no such certificate": func(t *testing.T, o *natsd.Options) {
			o.Secret = nil
			o.CertFile, o.KeyFile, o.CAFile = "no", "no", "no"
		},
		"another cluster's":  func(t *testing.T, o *natsd.Options) { put(t, o.Dir, "node", "n\nb\n") },
		"a damaged name":     func(t *testing.T, o *natsd.Options) { put(t, o.Dir, "node", "a b\na\n") },
		"no name":            func(t *testing.T, o *natsd.Options) { put(t, o.Dir, "cluster", "") },
		"a single machine's": func(t *testing.T, o *natsd.Options) { put(t, o.Dir, "store", "") },
		"removed":            func(t *testing.T, o *natsd.Options) { put(t, o.Dir, "removed", "") },
		"nobody there":       func(t *testing.T, o *natsd.Options) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, at, 0)
			o.Listen = addresses(t, 1)[0]
			change(t, &o)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if n, err := natsd.Start(ctx, o); err == nil {
				n.Stop()
				t.Error("it starts")
			}
		})
	}
}
