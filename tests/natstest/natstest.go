// Package natstest starts servers of NATS for tests, in the process of the test.
package natstest

import (
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTime is for a server to take connections, on a busy machine.
const startTime = 20 * time.Second

// JetStream are the options of a server with JetStream, in a directory of its own.
func JetStream(t testing.TB) *server.Options {
	return &server.Options{JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40}
}

// Start starts a server on a free port of loopback. It ends with the test.
func Start(t testing.TB, o *server.Options) *server.Server {
	t.Helper()
	o.Host, o.Port, o.NoSigs = "127.0.0.1", -1, true
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(startTime) {
		t.Fatal("NATS does not start")
	}
	return s
}

// URL starts a server with JetStream, and returns its address.
func URL(t testing.TB) string {
	t.Helper()
	return Start(t, JetStream(t)).ClientURL()
}
