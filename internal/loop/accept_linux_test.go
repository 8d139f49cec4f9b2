package loop_test

import (
	"bytes"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Every loop gets the same number of connections, whichever loop accepts.
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
	stop, ok := e.Receive(l, loop.Handshaker{
		MaxHeaderBytes: 1 << 10, HeaderTimeout: time.Minute,
		Upgrade: func(*loop.Accepted) bool { asked <- struct{}{}; return true },
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

// A connection that was reset before it is passed on has no address any more. It ends there. (A
// health check of haproxy that had timed out ended the server.)
func TestIssue16ResetIsNotPassedOn(t *testing.T) {
	t.Parallel()
	e := loop.New(loop.Options{Loops: 1})
	defer e.Shutdown(t.Context(), 1001, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	resets := make(chan net.Conn) // nil: none
	passed := make(chan net.Addr, 2)
	stop, ok := e.Receive(l, loop.Handshaker{
		MaxHeaderBytes: 1 << 10, HeaderTimeout: time.Minute,
		Upgrade: func(*loop.Accepted) bool {
			if nc := <-resets; nc != nil {
				nc.(*net.TCPConn).SetLinger(0)
				nc.Close()
			}
			return false
		},
		Other: func(nc net.Conn, _ []byte) {
			passed <- nc.RemoteAddr()
			nc.Close()
		},
		Failed: func(err error) { t.Error(err) },
	})
	if !ok {
		t.Fatal("loops do not accept")
	}
	defer stop()
	dial := func() net.Conn {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
		return nc
	}
	resets <- dial()
	client := dial()
	defer client.Close()
	resets <- nil
	if got := <-passed; got == nil || got.String() != client.LocalAddr().String() {
		t.Errorf("a connection from %v is passed on, want one from %v", got, client.LocalAddr())
	}
}

// The kernel holds back a silent connection for a while; then it is accepted, and served
// after its first bytes.
func TestSilentIsServed(t *testing.T) {
	t.Parallel()
	e := loop.New(loop.Options{Loops: 1})
	defer e.Shutdown(t.Context(), 1001, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	stop, ok := e.Receive(l, loop.Handshaker{
		MaxHeaderBytes: 1 << 10, HeaderTimeout: time.Minute,
		Upgrade: func(a *loop.Accepted) bool { a.Refuse([]byte("not you")); return true },
		Other:   func(nc net.Conn, _ []byte) { nc.Close() },
		Failed:  func(err error) { t.Error(err) },
	})
	if !ok {
		t.Fatal("loops do not accept")
	}
	defer stop()
	for _, speaks := range []bool{true, false} {
		nc, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if !speaks {
			until(t, "it is let in", func() bool { return e.SlotsInUse()[0] == 1 })
		}
		nc.SetDeadline(time.Now().Add(patience))
		io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
		if answer, err := io.ReadAll(nc); err != nil || string(answer) != "not you" {
			t.Fatalf("got %q, %v", answer, err)
		}
		nc.Close()
		until(t, "it has gone", func() bool { return e.SlotsInUse()[0] == 0 })
	}
}

// Go's listeners use Multipath TCP where the kernel has it (RFC 8684). Its sockets differ,
// and they too are read and written to the end.
func TestMultipath(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1, BacklogBytes: 1 << 30, SendBytes: 1 << 30}}
	e := r.start()
	listen := net.ListenConfig{}
	listen.SetMultipathTCP(true)
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ears, conns := newEars(), make(chan loop.Conn, 1)
	stop, ok := e.Receive(l, loop.Handshaker{
		MaxHeaderBytes: 1 << 10, HeaderTimeout: time.Minute,
		Upgrade: func(a *loop.Accepted) bool {
			c, err := e.Open(a.NetConn(), bytes.Clone(a.Behind), loop.Params{}, func(loop.Conn) loop.Handler { return ears })
			conns <- c
			return err == nil
		},
		Other:  func(nc net.Conn, _ []byte) { nc.Close() },
		Failed: func(err error) { t.Error(err) },
	})
	if !ok {
		t.Fatal("loops do not accept")
	}
	defer stop()
	dialer := net.Dialer{}
	dialer.SetMultipathTCP(true)
	nc, err := dialer.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if multipath, err := nc.(*net.TCPConn).MultipathTCP(); err != nil || !multipath {
		t.Skip("this kernel does not speak Multipath TCP")
	}
	io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n")
	c, peer := await(t, conns), newPeer(t, nc, loop.Params{})
	peer.patience = patience
	for _, size := range []int{10, 64<<10 - 8, 500_000} {
		m := strings.Repeat("x", size)
		peer.send(frame.Text, m)
		ears.want(t, frame.Text, m)
	}
	full := strings.Repeat("y", 1<<20)
	n := 0
	until(t, "its socket is full", func() bool { c.Send(text(full)); n++; return c.Buffered() > 4<<20 })
	for range n {
		peer.expect(frame.Text, full)
	}
	peer.send(frame.Text, "last")
	peer.shut()
	ears.want(t, frame.Text, "last")
	ears.wantEnd(t, 1006, "", true)
}

// A loop whose listener is removed while it accepts does not use it again, and reports no
// failure.
func TestEndWhileAccepting(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, unix: true, options: loop.Options{Loops: 1}}
	release := r.hold()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var stop func()
	failed, passed := make(chan error, 1), make(chan []byte, 1)
	stop, ok := r.engine.Receive(l, loop.Handshaker{
		MaxHeaderBytes: 1 << 10, HeaderTimeout: time.Minute,
		Upgrade: func(*loop.Accepted) bool { stop(); return false },
		Other:   func(nc net.Conn, read []byte) { nc.Close(); passed <- read },
		Failed:  func(err error) { failed <- err },
	})
	if !ok {
		t.Fatal("loops do not accept")
	}
	nc, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	request := []byte("GET / HTTP/1.1\r\n\r\n")
	nc.Write(request)
	release()
	if read := await(t, passed); !bytes.Equal(read, request) {
		t.Errorf("passed on with %q", read)
	}
	r.stop()
	if len(failed) > 0 {
		t.Error(<-failed)
	}
}
