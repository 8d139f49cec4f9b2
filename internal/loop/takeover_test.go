package loop_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// takingOver is a connection where both sides keep their contexts.
func takingOver(bits uint8) loop.Params {
	return loop.Params{Compression: frame.Compression{DeflateBits: bits, Takeover: true, PeerBits: bits}}
}

func quote(n int) string {
	return fmt.Sprintf(`{"symbol":"MARU","price":%d,"currency":"KRW","market":"Seoul"}`, 1000+n)
}

// Messages refer to earlier ones, whether they come by Send, from groups or as a replay. A
// member of the same group without a context gets the usual form.
func TestTakeover(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		for _, client := range []bool{false, true} {
			for _, bits := range []uint8{8, 9, 15} {
				p := takingOver(bits)
				p.Client = client
				c, _, far := r.conn(p)
				shared, _, sharedFar := r.conn(loop.Params{Client: client, Compression: frame.Compression{DeflateBits: bits}})
				one, other := r.engine.NewGroup(), r.engine.NewGroup()
				for _, c := range []loop.Conn{c, shared} {
					one.Add(c)
					other.Add(c)
				}
				for i := 0; i < 80; i += 8 {
					release := r.hold()
					message := func(n int) *loop.Message { return text(quote(i + n)) }
					one.Append(message(0))
					other.Append(message(1))
					for _, c := range []loop.Conn{c, shared} {
						c.Send(message(2))
						c.Ping(nil)
						replay := []*loop.Message{message(3), message(4)}
						c.Encode(replay)
						c.SendAll(replay)
					}
					other.Append(message(5))
					one.Append(message(6))
					release()
					one.Append(message(7))
					for _, p := range []*peer{far, sharedFar} {
						before := p.received
						for n := range 8 {
							p.expect(frame.Text, quote(i+n))
							if n == 2 {
								p.expect(frame.Ping, "")
							}
						}
						if n := p.received - before; p == far && i > 0 && n > 8*40 {
							t.Errorf("%d bits: eight messages of %d bytes came as %d", bits, len(quote(0)), n)
						}
					}
				}
				c.Close(1000, "bye")
				far.expectClose(1000, "bye")
			}
		}
	})
}

// A peer's messages in its context are understood, however they are cut into frames and
// pieces, with pings in between.
func TestPeerTakesOver(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		random := rand.New(rand.NewPCG(3, 4))
		for _, client := range []bool{false, true} {
			p := takingOver(10)
			p.Client = client
			_, ears, peer := r.conn(p)
			for i := range 40 {
				message := strings.Repeat(quote(i), 1+i%5*10)
				b, err := peer.deflater.Deflate(nil, []byte(message))
				if err != nil {
					t.Fatal(err)
				}
				op, first := frame.Text, true
				var wire []byte
				for len(b) > 0 || first {
					n := min(len(b), random.IntN(len(b)+20))
					h := frame.Header{Fin: n == len(b), Compressed: first, Op: op, Masked: !client, Mask: [4]byte{1, 2, 3, 4}, Length: int64(n)}
					wire = frame.AppendHeader(wire, h)
					at := len(wire)
					wire = append(wire, b[:n]...)
					if h.Masked {
						frame.Mask(wire[at:], h.Mask, 0)
					}
					if !h.Fin {
						wire = append(wire, peer.frame(frame.Ping, "still here")...)
					}
					op, first, b = frame.Continuation, false, b[n:]
					if h.Fin {
						break
					}
				}
				for len(wire) > 0 {
					n := 1 + random.IntN(len(wire))
					peer.write(wire[:n])
					wire = wire[n:]
				}
				ears.want(t, frame.Text, message)
			}
		}
	})
}

// A reference to bytes that were never sent is corrupt: 1007.
func TestTakeoverFault(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		_, ears, peer := r.conn(takingOver(12))
		peer.deflated(frame.Text, strings.Repeat(quote(1), 3)) // is not sent
		peer.write(peer.deflated(frame.Text, strings.Repeat(quote(1), 3)))
		peer.expectClose(1007, "bad_text")
		peer.expectEnd()
		peer.nc.Close()
		ears.wantEnd(t, 1007, "bad_text", true)
	})
}

// Messages in a lane can be replaced, and no later message may refer to a dropped one: a
// slow peer understands all that arrives.
func TestTakeoverWithLanes(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.SendBytes, r.options.Loops = 256<<20, 1
		r.narrow = true
		c, _, peer := r.conn(takingOver(12))
		beside, _, besideFar := r.conn(loop.Params{})
		all, latest := r.engine.NewGroup(), r.engine.NewLatestGroup(nil)
		all.Add(c)
		all.Add(beside) // reads at once, which shows the progress of the loop
		latest.Add(c)
		random := rand.New(rand.NewPCG(5, 6))
		var noise []byte
		for len(noise) < 100_000 { // shrinks by half, and by references
			noise = fmt.Appendf(noise, "%06x", random.IntN(1000)*7919)
		}
		update := func(n int) string { return fmt.Sprint(quote(n), n*n*n) } // twice, so that a mixture shows
		round := 0
		say := func() {
			all.Append(text(quote(round)))
			latest.Append(loop.NewKeyedMessage(frame.Binary, append([]byte(update(round)), noise...), fmt.Sprint("k", round%3)))
			all.Append(text(quote(round) + quote(round)))
			besideFar.expect(frame.Text, quote(round))
			besideFar.expect(frame.Text, quote(round)+quote(round))
			round++
		}
		until(t, "much was made stale", func() bool {
			say()
			return r.engine.Stats().Conflated > 20
		})
		last := 0
		take := func() {
			ev, err := peer.event()
			if err != nil {
				t.Fatal(err)
			}
			if s := string(ev.Payload); ev.Op == frame.Text {
				if s != quote(last/2) && s != quote(last/2)+quote(last/2) {
					t.Fatalf("message %d is %q", last, short(s))
				}
				last++
			} else {
				var price int
				fmt.Sscanf(s, `{"symbol":"MARU","price":%d,`, &price)
				if s != update(price-1000)+string(noise) {
					t.Fatalf("what comes from the lane is %q", short(s))
				}
			}
		}
		for last < 2*round {
			take()
		}
		for range 5 {
			say()
			for last < 2*round {
				take()
			}
		}
		if n := r.engine.Stats().Slow.Sum(); n != 0 {
			t.Errorf("%d connections were closed", n)
		}
	})
}
