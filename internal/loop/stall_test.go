package loop_test

import (
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// sleeper blocks its loop for as long as each message says.
type sleeper struct{}

func (sleeper) Message(_ frame.Opcode, data []byte) {
	if d, err := time.ParseDuration(string(data)); err == nil {
		<-time.After(d)
	}
}
func (sleeper) Closed(int, string, error) {}

// sleeper opens a connection whose messages block its loop.
func (r *rig) sleeper() *peer {
	r.t.Helper()
	r.start()
	near, far := r.pair()
	if _, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return sleeper{} }); err != nil {
		r.t.Fatal(err)
	}
	p := newPeer(r.t, far, loop.Params{})
	p.patience = r.patience
	return p
}

// A loop that stood still for a minute has neither read nor written: no peer counts as
// silent, slow or late to close for that.
func TestStall(t *testing.T) {
	const stall = time.Minute
	tests := map[string]struct {
		before func(c loop.Conn, p *peer)
		after  func(t *testing.T, c loop.Conn, e *ears, p *peer)
	}{
		"quiet": {
			before: func(loop.Conn, *peer) {},
			after: func(t *testing.T, _ loop.Conn, e *ears, p *peer) {
				p.expect(frame.Ping, "")
				p.send(frame.Pong, "")
				<-e.pongs
			},
		},
		"pinged": {
			before: func(_ loop.Conn, p *peer) {
				<-time.After(pingInterval - time.Second)
				go func() { // answers pings
					p.expect(frame.Ping, "")
					p.send(frame.Pong, "")
				}()
			},
			after: func(_ *testing.T, _ loop.Conn, e *ears, _ *peer) { <-e.pongs },
		},
		"backlog": {
			before: func(c loop.Conn, _ *peer) { c.Send(text("read late")) },
			after:  func(_ *testing.T, _ loop.Conn, _ *ears, p *peer) { p.expect(frame.Text, "read late") },
		},
		"closing": {
			before: func(c loop.Conn, p *peer) {
				c.Close(1000, "")
				p.expectClose(1000, "")
				go func() {
					<-time.After(stall / 2)
					p.sendClose(1000, "")
				}()
			},
			after: func(t *testing.T, _ loop.Conn, e *ears, _ *peer) { e.wantEnd(t, 1000, "", false) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				first, second := r.sleeper(), r.sleeper()
				c, ears, peer := r.conn(loop.Params{})
				synctest.Wait()
				test.before(c, peer)
				// The first keeps the loop until the second's message is there, so that
				// the minute begins in a turn whose tick is new.
				first.send(frame.Text, "2s")
				second.send(frame.Text, stall.String())
				<-time.After(2*time.Second + stall)
				synctest.Wait()
				if name != "closing" && !c.Open() {
					t.Fatal("closed")
				}
				test.after(t, c, ears, peer)
				if name == "closing" {
					return
				}
				peer.send(frame.Text, "alive")
				ears.want(t, frame.Text, "alive")
			})
		})
	}
}

// A peer that sends a byte a second is slow but not at fault: its message arrives, it is
// not pinged, and messages to it are written meanwhile.
func TestByteASecond(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		c, ears, peer := r.conn(loop.Params{})
		_, otherEars, other := r.conn(loop.Params{})
		w := newWatch(t)
		message := peer.frame(frame.Text, "as slow as that, but it comes to an end")
		for i := range message {
			peer.write(message[i : i+1])
			if i%10 == 0 {
				c.Send(text("meanwhile"))
				peer.expect(frame.Text, "meanwhile") // and no ping before
				other.send(frame.Text, "quick")
				otherEars.want(t, frame.Text, "quick")
			}
			<-time.After(time.Second)
		}
		ears.want(t, frame.Text, "as slow as that, but it comes to an end")
		w.was(time.Duration(len(message)) * time.Second)
		peer.expect(frame.Ping, "")
		w.between(pingInterval-time.Second, pingInterval)
	})
}
