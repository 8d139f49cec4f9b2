package loop_test

import (
	"net"
	"testing"
	"time"

	"maru/internal/loop"
)

// Whichever loop accepts, all get as many connections.
func TestConnectionsAreSpread(t *testing.T) {
	t.Parallel()
	const loops, connections = 3, 300
	e := loop.New(loop.Options{Loops: loops})
	defer e.Shutdown(t.Context(), 1001, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, connections)
	stop, ok := e.Receive(l, loop.Reception{
		MaxHeaderBytes: 1 << 10, HeaderTimeout: time.Minute,
		Upgrade: func(*loop.Arrival) bool { asked <- struct{}{}; return true },
		Other:   func(nc net.Conn, _ []byte) { nc.Close() },
		Failed:  func(err error) { t.Error(err) },
	})
	if !ok {
		t.Fatal("loops do not accept")
	}
	defer stop()
	for range connections {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"))
	}
	for range connections {
		<-asked
	}
	for i, n := range e.SlotsInUse() {
		if n != connections/loops {
			t.Errorf("loop %d has %d of %d connections", i, n, connections)
		}
	}
}
