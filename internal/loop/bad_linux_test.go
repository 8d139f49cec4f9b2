package loop_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// A broken connection does not affect others. After it no descriptor, goroutine or slot is
// left. Not parallel: it counts those of the process.
func TestBadConditions(t *testing.T) {
	request := []byte(upgradeRequest)
	message := masked(frame.Text, "hello")
	fragment := bytes.Clone(message)
	fragment[0] &^= 0x80 // FIN, RFC 6455 §5.2
	fin := func(nc *net.TCPConn) { nc.CloseWrite() }
	rst := func(nc *net.TCPConn) { nc.SetLinger(0); nc.Close() }

	conditions := map[string]func(h *hall){
		"a byte a time": func(h *hall) {
			nc := h.connect()
			slowly(nc, request)
			h.expect(nc, switching)
			slowly(nc, message)
			h.expect(nc, "hello")
		},
		"a handshake that never ends": func(h *hall) {
			nc := h.connect()
			go slowly(nc, bytes.Repeat([]byte(upgradeRequest[:len(upgradeRequest)-2]), 1000))
			h.expectEnd(nc)
		},
		"a refused handshake": func(h *hall) {
			h.full.Store(true)
			nc := h.connect()
			nc.Write(request)
			h.expect(nc, overloaded)
			h.expectEnd(nc) // and the peer stays
			until(h.t, "its slot is free", func() bool { return h.slots() == 1 })
		},
		"a refused handshake, RST behind it": func(h *hall) { h.full.Store(true); nc := h.connect(); nc.Write(request); rst(nc) },
		"no handshake but a request":         func(h *hall) { nc := h.connect(); io.WriteString(nc, "GET / HTTP/1.1\r\n\r\n"); h.expectEnd(nc) },

		"FIN in the handshake":     func(h *hall) { nc := h.connect(); nc.Write(request[:40]); fin(nc); h.expectEnd(nc) },
		"RST in the handshake":     func(h *hall) { nc := h.connect(); nc.Write(request[:40]); rst(nc) },
		"FIN behind the request":   func(h *hall) { nc := h.connect(); nc.Write(request); fin(nc); h.wantEnd(h.next()) },
		"RST behind the request":   func(h *hall) { nc := h.connect(); nc.Write(request); rst(nc); h.wantEnd(h.next()) },
		"FIN after the handshake":  func(h *hall) { nc, v := h.enter(); fin(nc); h.wantEnd(v); h.expectEnd(nc) },
		"FIN in a header":          func(h *hall) { nc, v := h.enter(); nc.Write(message[:1]); fin(nc); h.wantEnd(v); h.expectEnd(nc) },
		"FIN in a frame":           func(h *hall) { nc, v := h.enter(); nc.Write(message[:8]); fin(nc); h.wantEnd(v); h.expectEnd(nc) },
		"FIN in a message":         func(h *hall) { nc, v := h.enter(); nc.Write(fragment); fin(nc); h.wantEnd(v); h.expectEnd(nc) },
		"FIN while much is queued": func(h *hall) { nc, v := h.enter(); h.fill(nc, v); fin(nc); h.wantEnd(v) },
		"RST after the handshake":  func(h *hall) { nc, v := h.enter(); rst(nc); h.wantEnd(v) },
		"RST in a header":          func(h *hall) { nc, v := h.enter(); nc.Write(message[:1]); rst(nc); h.wantEnd(v) },
		"RST in a frame":           func(h *hall) { nc, v := h.enter(); nc.Write(message[:8]); rst(nc); h.wantEnd(v) },
		"RST in a message":         func(h *hall) { nc, v := h.enter(); nc.Write(fragment); rst(nc); h.wantEnd(v) },
		"RST while much is queued": func(h *hall) { nc, v := h.enter(); h.fill(nc, v); rst(nc); h.wantEnd(v) },
		"RST while it is paused": func(h *hall) {
			nc, v := h.enter()
			v.conn.Pause()
			rst(nc)
			v.conn.Send(text("x"))
			v.conn.Resume()
			h.wantEnd(v)
		},
		"RST behind a close frame":  func(h *hall) { nc, v := h.enter(); nc.Write(masked(frame.Close, "")); rst(nc); await(h.t, v.closed) },
		"a peer that reads nothing": func(h *hall) { nc, v := h.enter(); nc.Write(masked(frame.Text, "too much")); h.wantSlow(v) },
		"many connects at once":     func(h *hall) { h.rush(1000, rst) },
		"many without a handshake":  func(h *hall) { h.silentClients(1000) },
	}
	ended := []string{ // by the server, when a time has passed
		"a handshake that never ends", "a refused handshake", "a peer that reads nothing", "many without a handshake",
		"FIN while much is queued", // it may still read
	}
	for driver, goroutines := range map[string]bool{"loops": false, "goroutines": true} {
		for name, condition := range conditions {
			if goroutines && strings.Contains(name, "handshake") {
				continue // its handshakes are net/http's
			}
			t.Run(driver+"/"+name, func(t *testing.T) {
				timeout := hallTimeout
				if slices.Contains(ended, name) {
					timeout = 50 * time.Millisecond
				}
				h := newHall(t, goroutines, timeout)
				witness, _ := h.enter()
				goroutinesBefore, filesBefore, slotsBefore := runtime.NumGoroutine(), descriptors(t), h.slots()
				condition(h)
				witness.Write(masked(frame.Text, "as before"))
				h.expect(witness, "as before")
				h.leave(witness)
				until(t, "all have gone", func() bool { return h.engine.Len() == 1 })
				until(t, "no slot is left", func() bool { return h.slots() <= slotsBefore })
				until(t, "no descriptor is left", func() bool { return descriptors(t) <= filesBefore })
				until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutinesBefore })
				if paused := h.paused.Load(); paused != 0 {
					t.Errorf("accepting paused %d times", paused)
				}
			})
		}
	}
}

const (
	upgradeRequest = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
	switching      = "HTTP/1.1 101 Switching Protocols\r\n\r\n"
	overloaded     = "HTTP/1.1 503 Service Unavailable\r\n\r\n"

	// hallBacklog is more than sockets take on their own. "much" sends less than both
	// together.
	hallBacklog = 16 << 20
	hallTimeout = patience / 2 // no condition of a test waits for it
)

func masked(op frame.Opcode, payload string) []byte {
	return frame.AppendMasked(nil, op, false, [4]byte{1, 2, 3, 4}, []byte(payload))
}

// slowly writes a byte at a time, each in a segment of its own (TCP_NODELAY).
func slowly(nc net.Conn, b []byte) {
	for i := range b {
		if _, err := nc.Write(b[i : i+1]); err != nil {
			return
		}
		pause := time.NewTimer(time.Millisecond)
		<-pause.C
	}
}

// hall is an engine behind a port, which upgrades every request.
type hall struct {
	t       *testing.T
	engine  *loop.Engine
	addr    string
	visits  chan *visit
	paused  atomic.Int32
	full    atomic.Bool // refuses new connections
	mu      sync.Mutex
	callers []*net.TCPConn
}

// visit is the near end of a connection. It echoes; a request for much gets it.
type visit struct {
	conn   loop.Conn
	closed chan end
}

func (v *visit) Message(op frame.Opcode, data []byte) {
	times := map[string]int{"much": 3, "too much": 12}[string(data)]
	for range times {
		v.conn.Send(loop.NewMessage(frame.Binary, make([]byte, 4<<20)))
	}
	if times == 0 {
		v.conn.Send(loop.NewMessage(op, bytes.Clone(data)))
	}
}
func (v *visit) Closed(code int, reason string, err error) { v.closed <- end{code, reason, err} }

func newHall(t *testing.T, goroutines bool, timeout time.Duration) *hall {
	h := &hall{t: t, visits: make(chan *visit, 2000)}
	r := &rig{t: t, options: loop.Options{
		Loops: 2, Goroutines: goroutines, BacklogBytes: hallBacklog, SendBytes: 4 * hallBacklog, BacklogAge: 4 * timeout, CloseTimeout: timeout,
	}}
	h.engine = r.start()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	stop, ok := h.engine.Receive(l, loop.Handshaker{
		MaxHeaderBytes: 1 << 10,
		HeaderTimeout:  timeout,
		Upgrade: func(a *loop.Accepted) bool {
			asks := bytes.Contains(a.Head, []byte("\r\nUpgrade: websocket\r\n"))
			if asks {
				h.open(a.NetConn(), bytes.Clone(a.Behind))
			}
			return asks
		},
		Other:  func(nc net.Conn, _ []byte) { nc.Close() },
		Failed: func(error) { h.paused.Add(1) },
	})
	if !ok {
		var accepting sync.WaitGroup
		accepting.Go(func() { h.accept(l) })
		stop = accepting.Wait
	}
	t.Cleanup(func() {
		l.Close()
		stop()
		h.leave()
	})
	return h
}

// accept is Receive for an engine without it.
func (h *hall) accept(l net.Listener) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			br := bufio.NewReader(nc)
			if _, err := http.ReadRequest(br); err != nil {
				nc.Close()
				return
			}
			behind, _ := br.Peek(br.Buffered())
			h.open(nc, behind)
		}()
	}
}

func (h *hall) open(nc net.Conn, buffered []byte) {
	if h.full.Load() {
		nc.(interface{ Refuse([]byte) }).Refuse([]byte(overloaded))
		return
	}
	v := &visit{closed: make(chan end, 2)}
	h.engine.Open(nc, buffered, loop.Params{Preface: []byte(switching)}, func(c loop.Conn) loop.Handler {
		v.conn = c
		h.visits <- v
		return v
	})
}

// slots is the number of slots in use, over all loops.
func (h *hall) slots() int {
	n := 0
	for _, in := range h.engine.SlotsInUse() {
		n += in
	}
	return n
}

// next is the next connection that has entered.
func (h *hall) next() *visit { return await(h.t, h.visits) }

func (h *hall) connect() *net.TCPConn {
	h.t.Helper()
	nc, err := h.dial()
	if err != nil {
		h.t.Fatal(err)
	}
	return nc
}

func (h *hall) dial() (*net.TCPConn, error) {
	nc, err := net.Dial("tcp", h.addr)
	if err != nil {
		return nil, err
	}
	nc.SetDeadline(time.Now().Add(patience))
	tc := nc.(*net.TCPConn)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.callers = append(h.callers, tc)
	return tc, nil
}

// enter connects and shakes hands.
func (h *hall) enter() (*net.TCPConn, *visit) {
	h.t.Helper()
	nc := h.connect()
	nc.Write([]byte(upgradeRequest))
	h.expect(nc, switching)
	return nc, h.next()
}

// leave closes the far ends, except those in stay.
func (h *hall) leave(stay ...*net.TCPConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, nc := range h.callers {
		if len(stay) == 0 || nc != stay[0] {
			nc.Close()
		}
	}
	h.callers = stay
}

// expect reads up to this text.
func (h *hall) expect(nc net.Conn, text string) {
	h.t.Helper()
	if err := expect(nc, text); err != nil {
		h.t.Fatal(err)
	}
}

func expect(nc net.Conn, text string) error {
	var got []byte
	b := make([]byte, 1<<10)
	for !strings.Contains(string(got), text) {
		n, err := nc.Read(b)
		if got = append(got, b[:n]...); err != nil {
			return err
		}
	}
	return nil
}

// expectEnd reads to the end of the stream, or its failure.
func (h *hall) expectEnd(nc net.Conn) {
	h.t.Helper()
	if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
		h.t.Fatal("the connection goes on")
	}
}

// wantEnd waits for the end of a connection whose peer has vanished.
func (h *hall) wantEnd(v *visit) {
	h.t.Helper()
	if got := await(h.t, v.closed); got.code != 1006 || got.err == nil {
		h.t.Errorf("ended with %v", got)
	}
}

func (h *hall) wantSlow(v *visit) {
	h.t.Helper()
	if got := await(h.t, v.closed); got.code != 1013 || got.reason != "slow" {
		h.t.Errorf("ended with %v", got)
	}
}

// fill lets the server send more than the socket takes.
func (h *hall) fill(nc net.Conn, v *visit) {
	h.t.Helper()
	nc.Write(masked(frame.Text, "much"))
	until(h.t, "something waits", func() bool { return v.conn.Buffered() > 0 })
}

// rush has n clients at once, each of which connects, sends a message, receives it, and
// leaves. (After a reset the port can be used again at once.)
func (h *hall) rush(n int, leave func(*net.TCPConn)) {
	h.t.Helper()
	errs := make(chan error, n)
	for range n {
		go func() { errs <- h.call(leave) }()
	}
	for range n {
		if err := await(h.t, errs); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *hall) call(leave func(*net.TCPConn)) error {
	nc, err := h.dial()
	if err != nil {
		return err
	}
	defer leave(nc)
	nc.Write(append([]byte(upgradeRequest), masked(frame.Text, "hello")...))
	return expect(nc, "hello")
}

// silentClients has n clients that connect and send nothing; all are cut off in time.
func (h *hall) silentClients(n int) {
	h.t.Helper()
	for range n {
		h.connect()
	}
	for _, nc := range h.callers[1:] { // the first is the witness
		h.expectEnd(nc)
	}
}

// A connection that arrives while the engine ends is closed, wherever it is: one loop may
// have accepted it for another that has ended. Not parallel: it counts the descriptors of
// the process.
func TestShutdownInARush(t *testing.T) {
	before := descriptors(t)
	for range 40 {
		h := &hall{t: t, visits: make(chan *visit, 2000)}
		engine := loop.New(loop.Options{Loops: 4})
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		h.addr = l.Addr().String()
		first := make(chan struct{})
		stop, ok := engine.Receive(l, loop.Handshaker{
			MaxHeaderBytes: 1 << 10,
			HeaderTimeout:  patience,
			Upgrade:        func(a *loop.Accepted) bool { a.NetConn().Close(); return true },
			Other:          func(nc net.Conn, _ []byte) { nc.Close() },
			Failed:         func(err error) { t.Error(err) },
		})
		if !ok {
			t.Fatal("no sockets")
		}
		var rush sync.WaitGroup
		for caller := range 4 {
			rush.Go(func() {
				for n := range 100 {
					if nc, err := h.dial(); err == nil {
						nc.SetLinger(0)
					}
					if caller == 0 && n == 20 {
						close(first)
					}
				}
			})
		}
		await(t, first)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		engine.Shutdown(over, 1001, "")
		rush.Wait()
		stop()
		l.Close()
		h.leave()
	}
	until(t, "no descriptor is left", func() bool { return descriptors(t) <= before })
}
