package loop_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// patience is how long a test waits for an event that must come.
const patience = 20 * time.Second

// everyDriver runs body over epoll, where there is one, over goroutines, and over
// epoll under TLS.
// The rig's options may be changed until it starts.
func everyDriver(t *testing.T, body func(t *testing.T, r *rig)) {
	for name, r := range map[string]rig{
		"loops":      {},
		"no ring":    {options: loop.Options{NoRing: true}},
		"goroutines": {options: loop.Options{Goroutines: true}},
		"TLS":        {tls: tls.VersionTLS13},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t, r.options.Loops = t, 2
			body(t, &r)
		})
	}
}

// rig is an engine in a test with its connections.
type rig struct {
	t        testing.TB
	options  loop.Options
	patience time.Duration
	pipes    bool   // net.Pipe instead of TCP, for bubbles of testing/synctest
	unix     bool   // the same, for tests that would use up the ports
	tls      uint16 // the version spoken; 0: none
	narrow   bool   // sockets always hold less than 500,000 bytes for a peer that does not read
	engine   *loop.Engine
	free     []func() // the functions that hold has returned
}

// start makes the engine, which ends with the test.
func (r *rig) start() *loop.Engine {
	if r.engine == nil {
		r.engine = loop.New(r.options)
		r.t.Cleanup(r.stop)
	}
	return r.engine
}

// stop cuts the remaining connections and ends the engine, and checks that nothing is left.
func (r *rig) stop() {
	r.t.Helper()
	for _, release := range r.free {
		release()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.engine.Shutdown(ctx, 1001, "")
	if slots, bytes, memberships := r.engine.Leftovers(); slots != 0 || bytes != 0 || memberships != 0 {
		r.t.Errorf("%d slots, %d bytes and %d memberships are left", slots, bytes, memberships)
	}
}

// conn opens a connection and returns its handle, its handler's events and the far end.
func (r *rig) conn(p loop.Params, buffered ...byte) (loop.Conn, *ears, *peer) {
	r.t.Helper()
	r.start()
	near, far := r.pair()
	e := newEars()
	c, err := r.engine.Open(near, buffered, p, func(loop.Conn) loop.Handler { return e })
	if err != nil {
		r.t.Fatal(err)
	}
	peer := newPeer(r.t, far, p)
	peer.patience = cmp.Or(r.patience, patience)
	return c, e, peer
}

func (r *rig) pair() (near, far net.Conn) {
	r.t.Helper()
	near, far = r.plainPair()
	if r.tls != 0 {
		return secure(r.t, near, far, r.tls)
	}
	return near, far
}

func (r *rig) plainPair() (near, far net.Conn) {
	r.t.Helper()
	if r.pipes {
		near, far = net.Pipe()
		r.t.Cleanup(func() { far.Close() })
		return near, far
	}
	network, address := "tcp", "127.0.0.1:0"
	if r.unix {
		dir, err := os.MkdirTemp("", "loop") // t.TempDir may be too long for a socket's name
		if err != nil {
			r.t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		network, address = "unix", filepath.Join(dir, "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		r.t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial(network, l.Addr().String()); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { far.Close() })
	if near, err = l.Accept(); err != nil {
		r.t.Fatal(err)
	}
	if r.narrow {
		near.(*net.TCPConn).SetWriteBuffer(4 << 10) // and the system does not enlarge it
	}
	return near, far
}

// hold keeps every loop busy until the function that it returns is called: all commands
// posted in between are one batch.
func (r *rig) hold() (release func()) {
	r.t.Helper()
	r.start()
	free := make(chan struct{})
	release = sync.OnceFunc(func() { close(free) })
	r.free = append(r.free, release)
	for range r.options.Loops { // connections go to the loops in turn
		near, far := r.plainPair()
		b := blocker{held: make(chan struct{}), free: free}
		if _, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return b }); err != nil {
			r.t.Fatal(err)
		}
		newPeer(r.t, far, loop.Params{}).send(frame.Text, "hold")
		await(r.t, b.held)
	}
	return release
}

type blocker struct{ held, free chan struct{} }

func (b blocker) Message(frame.Opcode, []byte) {
	b.held <- struct{}{}
	<-b.free
}
func (blocker) Closed(int, string, error) {}

// ears is a handler that records its events.
type ears struct {
	messages chan event
	pongs    chan string
	closed   chan end
}

type event struct {
	op   frame.Opcode
	data string
}

type end struct {
	code   int
	reason string
	err    error
}

// mostKept is how many messages ears keeps until a test reads them. More are dropped, so
// that a loop never waits for a test.
const mostKept = 1 << 13

func newEars() *ears {
	return &ears{make(chan event, mostKept), make(chan string, 1<<8), make(chan end, 2)}
}

func (e *ears) Message(op frame.Opcode, data []byte) {
	select {
	case e.messages <- event{op, string(data)}:
	default:
	}
}

func (e *ears) Pong(data []byte) {
	select {
	case e.pongs <- string(data):
	default:
	}
}

func (e *ears) Closed(code int, reason string, err error) {
	e.closed <- end{code, reason, err}
}

// peer is the far end of a connection, frame by frame.
type peer struct {
	t        testing.TB
	patience time.Duration
	nc       net.Conn
	client   bool // the far end is the client: it masks
	rules    frame.Rules
	reader   frame.Reader
	deflater *frame.Deflater
	buffer   []byte
	unread   []byte
	received int // bytes
}

func newPeer(t testing.TB, nc net.Conn, p loop.Params) *peer {
	far := &peer{
		t: t, patience: patience, nc: nc, client: !p.Client, buffer: make([]byte, 16<<10),
		rules: frame.Rules{Client: !p.Client, Deflate: p.Compression.DeflateBits > 0},
	}
	if p.Compression.Takeover {
		far.reader.Inflater = frame.NewInflater(int(p.Compression.DeflateBits))
	}
	if p.Compression.PeerBits > 0 {
		far.deflater = frame.NewDeflater(int(p.Compression.PeerBits))
	}
	return far
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	p.nc.SetWriteDeadline(time.Now().Add(p.patience))
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("peer writes: %v", err)
	}
}

func (p *peer) send(op frame.Opcode, payload string) {
	p.t.Helper()
	p.write(p.frame(op, payload))
}

func (p *peer) frame(op frame.Opcode, payload string) []byte {
	return p.maybeDeflated(op, false, []byte(payload))
}

// deflated is a frame with the next message in the peer's context.
func (p *peer) deflated(op frame.Opcode, payload string) []byte {
	b, err := p.deflater.Deflate(nil, []byte(payload))
	if err != nil {
		p.t.Fatal(err)
	}
	return p.maybeDeflated(op, true, b)
}

func (p *peer) maybeDeflated(op frame.Opcode, deflated bool, payload []byte) []byte {
	if p.client {
		return frame.AppendMasked(nil, op, deflated, [4]byte{1, 2, 3, 4}, payload)
	}
	return frame.AppendFrame(nil, op, deflated, payload)
}

func (p *peer) sendClose(code int, reason string) {
	p.t.Helper()
	p.write(p.closeFrame(code, reason))
}

func (p *peer) closeFrame(code int, reason string) []byte {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.frame(frame.Close, string(payload))
}

// event reads the next message or control frame, or the error of the stream.
func (p *peer) event() (frame.Event, error) {
	for {
		for len(p.unread) > 0 {
			ev, n, err := p.reader.Next(p.unread, &p.rules)
			p.unread = p.unread[n:]
			if err != nil {
				return ev, err
			}
			if ev.Op != 0 {
				ev.Payload = bytes.Clone(ev.Payload)
				return ev, nil
			}
		}
		p.nc.SetReadDeadline(time.Now().Add(p.patience))
		n, err := p.nc.Read(p.buffer)
		p.received += n
		p.unread = p.buffer[:n]
		if n == 0 && err != nil {
			return frame.Event{}, err
		}
	}
}

// expect reads the next event, which must be this one.
func (p *peer) expect(op frame.Opcode, payload string) {
	p.t.Helper()
	ev, err := p.event()
	if err != nil {
		p.t.Fatalf("want %v %q, got error %v", op, short(payload), err)
	}
	if ev.Op != op || string(ev.Payload) != payload {
		p.t.Fatalf("want %v %q, got %v %q", op, short(payload), ev.Op, short(string(ev.Payload)))
	}
}

func (p *peer) expectClose(code int, reason string) {
	p.t.Helper()
	ev, err := p.event()
	if err != nil {
		p.t.Fatalf("want close %d, got error %v", code, err)
	}
	if ev.Op != frame.Close || ev.Code != code || ev.Reason != reason {
		p.t.Fatalf("want close %d %q, got %v %d %q", code, reason, ev.Op, ev.Code, ev.Reason)
	}
}

// expectEnd reads the end of the stream; anything else is an error.
func (p *peer) expectEnd() {
	p.t.Helper()
	if ev, err := p.event(); !errors.Is(err, io.EOF) {
		p.t.Fatalf("want the end of the stream, got %v %q, error %v", ev.Op, short(string(ev.Payload)), err)
	}
}

// shut ends the peer's half of the stream.
func (p *peer) shut() {
	p.t.Helper()
	if err := p.nc.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		p.t.Fatal(err)
	}
}

// reset cuts the connection so that the other side notices the violence.
func (p *peer) reset() {
	nc := p.nc
	if tc, ok := nc.(*tls.Conn); ok {
		nc = tc.NetConn()
	}
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
}

// await waits for one value.
func await[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// wantEnd waits for the end of a connection with the code and reason, and with
// an error or without one.
func (e *ears) wantEnd(t testing.TB, code int, reason string, failed bool) end {
	t.Helper()
	got := await(t, e.closed)
	if got.code != code || got.reason != reason || (got.err != nil) != failed {
		t.Fatalf("want end %d %q, failed %t; got %d %q %v", code, reason, failed, got.code, got.reason, got.err)
	}
	return got
}

func (e *ears) want(t testing.TB, op frame.Opcode, data string) {
	t.Helper()
	if got := await(t, e.messages); got.op != op || got.data != data {
		t.Fatalf("want %v %q, got %v %q", op, short(data), got.op, short(got.data))
	}
}

// until polls a condition.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}

func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func text(s string) *loop.Message { return loop.NewMessage(frame.Text, []byte(s)) }
