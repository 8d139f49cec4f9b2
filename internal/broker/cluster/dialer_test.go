package cluster_test

import (
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"

	nats "github.com/nats-io/nats.go"
)

// A server of NATS that takes connections and says nothing does not hold up callers: they get errors
// that the node is cut off.
func TestFrozenServer(t *testing.T) {
	t.Parallel()
	server := natsServers(t, 1)[0]
	frozen := newCable(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	conn, err := nats.Connect("nats://"+frozen.listener.Addr().String(), cluster.ConnOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := cluster.Open(t.Context(), cluster.Options{Conn: conn, Prefix: prefix(), Beat: 200 * time.Millisecond, Interest: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	frozen.freeze()
	waitFor(t, "the cut", func() bool { return maru.ErrorOf(b.Err()).Code == maru.CodeUnavailable })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 40 {
			b.Err()
			b.Follow("a")
			b.Broadcast("x", nil)
			b.Unfollow("a")
			time.Sleep(50 * time.Millisecond) // until the next try to connect
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("callers wait for a server that says nothing")
	}
	if conn.IsConnected() {
		t.Error("it is connected")
	}
}

// A node that is cut off ends without an error and without a long wait.
func TestCloseWhileCutOff(t *testing.T) {
	t.Parallel()
	server := natsServers(t, 1)[0]
	cable := newCable(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	conn, err := nats.Connect("nats://"+cable.listener.Addr().String(), cluster.ConnOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := cluster.Open(t.Context(), cluster.Options{Conn: conn, Prefix: prefix(), Beat: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, b, "1")
	cable.set(true)
	waitFor(t, "the cut", func() bool { return !conn.IsConnected() })
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
