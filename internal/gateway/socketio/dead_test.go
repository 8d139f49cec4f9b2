package socketio_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/natstest"
)

// kept waits until NATS has the states of a number of clients.
func kept(t *testing.T, url string, n int) {
	t.Helper()
	b, err := cluster.Opener(cluster.Servers{URLs: []string{url}}, cluster.Options{Beat: 200 * time.Millisecond})(maru.BrokerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for late := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		found := 0
		err := b.(maru.Keeper).Kept(t.Context(), "socketio /socket.io/", func(key string, value []byte, _ time.Time) bool {
			if _, moved := socketio.MovedTo(value); key[0] == 's' && !moved {
				found++
			}
			return true
		})
		if err == nil && found == n {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("waited in vain for %d states: %d, %v", n, found, err)
		}
	}
}

// publishAtLast publishes when a namespace has an owner again.
func (w *world) publishAtLast(channel, text string) {
	w.t.Helper()
	w.until("publications are taken", func() bool {
		_, err := w.server.Publish(w.t.Context(), channel, &maru.Publication{Data: []byte(text)})
		return err == nil
	})
}

// A client comes back on another node with all that it had, although its own node is dead, or cut off
// from NATS, and then on that again.
func TestRecoveryFromDeadNode(t *testing.T) {
	t.Parallel()
	url := natstest.URL(t)
	relay := program.NewRelay(t, strings.TrimPrefix(url, "nats://"))
	quick := socketio.Options{}.WithWriteAfter(5 * time.Millisecond)
	a, b := newNode(t, "nats://"+relay.Addr, quick), newNode(t, url, quick)
	s := a.socket(nil)
	who := s.connects("")
	s.says(`420["subscribe","x"]`, `421["subscribe","y"]`, `422["subscribe","z"]`, `423["unsubscribe","z"]`)
	s.wants("430…", "431…", "432…", "433…")
	a.publish("x", "1")
	last := offsetOf(t, s.wants(`42["message","x","1",…`))
	kept(t, url, 1)
	relay.Cut()
	s.Terminate()

	b.publishAtLast("y", "2")
	b.publish("z", "not subscribed")
	b.publish("x", "3")
	r := b.socket(nil)
	again := r.connects(who.auth(last))
	if again != who {
		t.Fatalf("came back as %+v, was %+v", again, who)
	}
	r.wants(`42["message","y","2",…`)
	last = offsetOf(t, r.wants(`42["message","x","3",…`))

	relay.Mend()
	b.until("the node is back", func() bool {
		_, err := a.server.Publish(t.Context(), "y", &maru.Publication{Data: []byte("4")})
		return err == nil
	})
	last = offsetOf(t, r.wants(`42["message","y","4",…`))
	s = a.socket(nil)
	if back := s.connects(again.auth(last)); back != who {
		t.Errorf("came back as %+v, was %+v", back, who)
	}
	s.says(`424["unsubscribe","y"]`)
	s.wants(`434[{"channel":"y"}]`)
}

// A node that was cut off does not use what it has of a client that was on another node since, and does not
// overwrite what that one has: not when the client comes back to it, and not while a connection of it is
// still open there.
func TestReturnToNodeThatWasCutOff(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{false, true} {
		t.Run(fmt.Sprintf("open %v", open), func(t *testing.T) {
			t.Parallel()
			url := natstest.URL(t)
			relay := program.NewRelay(t, strings.TrimPrefix(url, "nats://"))
			quick := socketio.Options{}.WithWriteAfter(5 * time.Millisecond)
			a, b := newNode(t, "nats://"+relay.Addr, quick), newNode(t, url, quick)
			s := a.socket(nil)
			who := s.connects("")
			s.says(`420["subscribe","x"]`)
			s.wants("430…")
			a.publish("x", "1")
			last := offsetOf(t, s.wants(`42["message","x","1",…`))
			kept(t, url, 1)
			relay.Cut()
			if open {
				s.says(`421["unsubscribe","x"]`) // is not acknowledged, and not done
			} else {
				s.Terminate()
			}
			b.publishAtLast("x", "2")
			r := b.socket(nil)
			if again := r.connects(who.auth(last)); again != who {
				t.Fatalf("came back as %+v, was %+v", again, who)
			}
			last = offsetOf(t, r.wants(`42["message","x","2",…`))
			r.says(`422["subscribe","y"]`)
			r.wants("432…")
			b.publish("y", "3")
			last = offsetOf(t, r.wants(`42["message","y","3",…`))
			relay.Mend()
			if open {
				for !strings.HasPrefix(s.wants("…"), "closed") {
				}
			}
			a.until("the node is back", func() bool {
				_, err := a.server.Publish(t.Context(), "x", &maru.Publication{Data: []byte("4")})
				return err == nil
			})
			last = offsetOf(t, r.wants(`42["message","x","4",…`))
			kept(t, url, 1)
			r.Terminate()
			b.publish("y", "5")
			s = a.socket(nil)
			if back := s.connects(who.auth(last)); back != who {
				t.Fatalf("came back as %+v, was %+v", back, who)
			}
			s.wants(`42["message","y","5",…`)
		})
	}
}

// While NATS is away clients stay connected. An unsubscription is acknowledged when NATS has it.
func TestUnsubscribeWhileAway(t *testing.T) {
	t.Parallel()
	url := natstest.URL(t)
	relay := program.NewRelay(t, strings.TrimPrefix(url, "nats://"))
	a := newNode(t, "nats://"+relay.Addr, socketio.Options{}.WithWriteAfter(5*time.Millisecond))
	s := a.socket(nil)
	s.connects("")
	s.says(`420["subscribe","x"]`)
	s.wants("430…")
	kept(t, url, 1)
	relay.Cut()
	s.says(`421["unsubscribe","x"]`, `422["nonsense"]`)
	s.wants(`432[{"error":…`)
	select {
	case one := <-s.got:
		t.Fatalf("got %q while NATS is away", one)
	case <-time.After(50 * time.Millisecond):
	}
	relay.Mend()
	s.wants(`431[{"channel":"x"}]`)
}

// What another node says is never trusted to be complete.
func FuzzMoved(f *testing.F) {
	for _, b := range [][]byte{socketio.AppendMoved("node"), {0}, {255}, {255, 3, 'a'}, []byte("\xff\x85\x0000000"), {}} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		node, is := socketio.MovedTo(b)
		if again, still := socketio.MovedTo(socketio.AppendMoved(node)); is && (node == "" || !still || again != node) {
			t.Errorf("%q is read as %q, and that as %q", b, node, again)
		}
	})
}
