package loop_test

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// A large fan-out does not delay the reading of other connections. Some end meanwhile;
// every other one gets each message once.
func TestReadDuringFanOut(t *testing.T) {
	t.Parallel()
	const members = 1000
	r := &rig{t: t, unix: true, options: loop.Options{Loops: 1}}
	engine := r.start()
	g := engine.NewGroup()
	writes := make(chan uint64, 1)
	near, far := r.pair()
	if _, err := engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return reporter{engine, writes} }); err != nil {
		t.Fatal(err)
	}
	sender := newPeer(t, far, loop.Params{})
	peers, ears := make([]*peer, members), make([]*ears, members)
	for i := range members {
		var c loop.Conn
		c, ears[i], peers[i] = r.conn(loop.Params{})
		g.Add(c)
	}
	before := engine.Stats().Writes

	release := r.hold()
	g.Append(text("first"))
	sender.send(frame.Text, "read me")
	gone := func(i int) bool { return i%10 == 3 }
	for i, p := range peers {
		switch {
		case gone(i):
			p.nc.Close()
		case i%10 == 7:
			p.send(frame.Ping, "") // answered from the connection's own queue
		}
	}
	release()
	if n := await(t, writes) - before; n == 0 || n >= members {
		t.Errorf("read after %d writes of %d", n, members)
	}
	for i := range peers {
		if gone(i) {
			await(t, ears[i].closed)
		}
	}
	g.Append(text("second"))
	for i, p := range peers {
		if gone(i) {
			continue
		}
		for want := []string{"first", "second"}; len(want) > 0; {
			ev, err := p.event()
			if err != nil {
				t.Fatalf("member %d: %v", i, err)
			}
			if ev.Op == frame.Pong {
				continue
			}
			if string(ev.Payload) != want[0] {
				t.Fatalf("member %d: got %q, want %q", i, ev.Payload, want[0])
			}
			want = want[1:]
		}
	}
}

// reporter records how much the engine had written when its message was read.
type reporter struct {
	engine *loop.Engine
	writes chan uint64
}

func (r reporter) Message(frame.Opcode, []byte) { r.writes <- r.engine.Stats().Writes }
func (reporter) Closed(int, string, error)      {}

// A peer that sends without end is read a piece at a time, and the others between the
// pieces.
func TestBusyPeer(t *testing.T) {
	t.Parallel()
	for name, version := range map[string]uint16{"plain": 0, "TLS": tls.VersionTLS13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const waits, piece = 512 << 10, 64 << 10
			r := &rig{t: t, tls: version, options: loop.Options{Loops: 1}}
			open := func(h loop.Handler) *peer {
				near, far := r.pair()
				if _, err := r.start().Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return h }); err != nil {
					t.Fatal(err)
				}
				return newPeer(t, far, loop.Params{})
			}
			var read atomic.Int64
			busy := open(counter{&read})
			quiet := &witness{&read, make(chan int64, 1)}
			other := open(quiet)

			release := r.hold()
			var wrote atomic.Int64
			var writing sync.WaitGroup
			message := busy.frame(frame.Binary, string(make([]byte, 8<<10)))
			writing.Go(func() {
				for err := error(nil); err == nil; wrote.Add(int64(len(message))) {
					_, err = busy.nc.Write(message)
				}
			})
			until(t, "much waits", func() bool { return wrote.Load() >= waits })
			other.send(frame.Text, "and I?")
			release()
			if n := await(t, quiet.saw); n > 2*piece {
				t.Errorf("%d bytes of one peer were read before it was another's turn", n)
			}
			until(t, "all is read", func() bool { return read.Load() >= waits })
			busy.nc.Close()
			writing.Wait()
		})
	}
}

// counter counts the bytes of messages.
type counter struct{ n *atomic.Int64 }

func (c counter) Message(_ frame.Opcode, data []byte) { c.n.Add(int64(len(data))) }
func (counter) Closed(int, string, error)             {}

// witness records a counter when its message is read.
type witness struct {
	n   *atomic.Int64
	saw chan int64
}

func (w *witness) Message(frame.Opcode, []byte) { w.saw <- w.n.Load() }
func (*witness) Closed(int, string, error)      {}
