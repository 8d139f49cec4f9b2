package loop_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// FuzzServerConn sends bytes to a connection, cut in any way. The handler receives the
// messages that frame.Reader finds in the whole, and the peer gets the close frame for
// their end.
func FuzzServerConn(f *testing.F) {
	masked := func(op frame.Opcode, payload string) []byte {
		return frame.AppendMasked(nil, op, false, [4]byte{1, 2, 3, 4}, []byte(payload))
	}
	deflated, err := frame.Deflate(nil, []byte("again and again and again"), 15)
	if err != nil {
		f.Fatal(err)
	}
	hello, bye := masked(frame.Text, "hello"), masked(frame.Close, "\x03\xe8bye")
	for _, seed := range [][]byte{
		nil, hello, bye, slices.Concat(hello, hello, bye), hello[:4], masked(frame.Text, "\xff"),
		masked(frame.Ping, "p"), masked(frame.Pong, "p"), masked(frame.Close, "\x03"), masked(frame.Close, "\x03\xee"),
		{0x81, 0x00}, {0xff, 0xff}, masked(frame.Binary, string(make([]byte, 70000))),
		frame.AppendMasked(nil, frame.Text, true, [4]byte{9, 9, 9, 9}, deflated),
		slices.Concat([]byte{0x01, 0x80, 0, 0, 0, 0}, masked(frame.Ping, ""), []byte{0x80, 0x80, 0, 0, 0, 0}, bye),
	} {
		f.Add(seed, uint64(1), false, false)
		f.Add(seed, uint64(2), true, true)
	}

	options := loop.Options{Loops: 1, MaxMessageBytes: 64 << 10}
	engines := map[bool]*loop.Engine{}
	for _, goroutines := range []bool{false, true} {
		options.Goroutines = goroutines
		engines[goroutines] = loop.New(options)
	}
	f.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		for _, e := range engines {
			e.Shutdown(over, 1001, "")
		}
	})

	f.Fuzz(func(t *testing.T, data []byte, cuts uint64, goroutines, deflate bool) {
		p := loop.Params{}
		if deflate {
			p.Compression.DeflateBits = 15
		}
		wantEvents, wantEnd := oracle(slices.Clone(data), deflate, options.MaxMessageBytes)
		if len(wantEvents) > mostKept {
			return
		}

		r := &rig{t: t, unix: true, pipes: goroutines, engine: engines[goroutines]}
		_, ears, peer := r.conn(p)
		defer peer.nc.Close()
		answer := make(chan frame.Event, 1)
		go func() {
			for {
				ev, err := peer.event()
				if err != nil || ev.Op == frame.Close {
					answer <- ev
					io.Copy(io.Discard, peer.nc)
					return
				}
			}
		}()
		random := rand.New(rand.NewPCG(cuts, 0))
		for rest := data; len(rest) > 0; {
			n := 1 + random.IntN(min(len(rest), 1+int(cuts%5000)))
			if _, err := peer.nc.Write(slices.Clone(rest[:n])); err != nil {
				break // the connection has ended already
			}
			rest = rest[n:]
		}
		if wantEnd != 1006 {
			if ev := await(t, answer); ev.Op != frame.Close || ev.Code != wantEnd {
				t.Errorf("peer got %v %d, want close %d", ev.Op, ev.Code, wantEnd)
			}
		}
		peer.nc.Close()
		if got := await(t, ears.closed); got.code != wantEnd {
			t.Errorf("ended with %v, want %d", got, wantEnd)
		}
		close(ears.messages)
		var events []event
		for ev := range ears.messages {
			events = append(events, ev)
		}
		if !slices.Equal(events, wantEvents) {
			t.Errorf("%d messages, want %d", len(events), len(wantEvents))
		}
	})
}

// oracle reads data in one piece: the messages, and the close code at the end,
// 1006 if it just ends.
func oracle(data []byte, deflate bool, limit int64) (events []event, code int) {
	var r frame.Reader
	rules := &frame.Rules{Deflate: deflate, MaxMessageBytes: limit}
	for len(data) > 0 {
		ev, n, err := r.Next(data, rules)
		var fault *frame.Error
		switch {
		case errors.As(err, &fault):
			return events, fault.Code
		case ev.Op == frame.Close:
			return events, ev.Code
		case ev.Op == frame.Text, ev.Op == frame.Binary:
			events = append(events, event{ev.Op, string(ev.Payload)})
		}
		data = data[n:]
	}
	return events, 1006
}
