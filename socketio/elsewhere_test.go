package socketio_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/socketio"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/natstest"
)

type name struct{ Name string }

// recovers are options with which sockets come back, as a name.
func recovers() socketio.Options {
	return socketio.Options{Recovery: &socketio.Recovery{Data: func(a socketio.Arg) (any, error) {
		n := new(name)
		return n, a.Decode(n)
	}}}
}

// identity is what a connect packet is answered with.
type identity struct{ SID, PID string }

func (c *client) connects(auth string) (who identity) {
	c.t.Helper()
	c.says("40" + auth)
	answer := c.wants("40{…")
	if err := json.Unmarshal([]byte(answer[2:]), &who); err != nil || who.SID == "" || who.PID == "" {
		c.t.Fatalf("%s: %v", answer, err)
	}
	return who
}

func (i identity) auth(offset string) string {
	return fmt.Sprintf(`{"pid":%q,"offset":%q}`, i.PID, offset)
}

// event wants an event with one argument, and returns its offset.
func (c *client) event(event string, arg any) (offset string) {
	c.t.Helper()
	packet := c.wants(fmt.Sprintf(`42["%s",%v,"…`, event, arg))
	return strings.TrimSuffix(packet[strings.LastIndex(packet, `,"`)+2:], `"]`)
}

// A socket that loses its node comes back on another one as it was: its id, its rooms, its data, and the
// events that it missed, to all, to rooms and to itself, in order and once.
func TestRecoveryOnAnotherNode(t *testing.T) {
	t.Parallel()
	nodes := newNodes(t, 2, recovers())
	for _, w := range nodes {
		w.io.Use(func(s *socketio.Socket) error { s.Data = &name{"kim"}; return nil })
	}
	early, _ := nodes[0].member("early")
	nodes[0].io.Emit("before", 0)
	early.event("before", 0)
	c := nodes[0].dial()
	who := c.connects("")
	s := await(t, nodes[0].arrived)
	s.Join("x", "left")
	s.Leave("left")
	number, last := 0, ""
	emit := func(w *world, to socketio.Target) (event func(c *client)) {
		number++
		n := number
		if err := to.Emit("e", n); err != nil {
			t.Fatal(err)
		}
		return func(c *client) { t.Helper(); last = c.event("e", n) }
	}
	for round := range 4 {
		here, there := nodes[round%2], nodes[(round+1)%2]
		emit(here, there.io.To("x"))(c)
		emit(here, here.io.To())(c)
		if err := s.Emit("own", round); err != nil {
			t.Fatal(err)
		}
		last = c.event("own", round)
		c.Terminate()
		missed := []func(*client){emit(here, here.io.To("x")), emit(here, there.io.To(who.SID)), emit(here, there.io.To("x", "y"))}
		for _, no := range []socketio.Target{there.io.To("left"), there.io.Except("x"), there.io.To("x").Volatile()} {
			if err := no.Emit("no", 1); err != nil {
				t.Fatal(err)
			}
		}
		missed = append(missed, emit(here, there.io.To()))
		c = there.dial()
		if again := c.connects(who.auth(last)); again != who {
			t.Fatalf("came back as %+v, was %+v", again, who)
		}
		for _, event := range missed {
			event(c)
		}
		s = await(t, there.arrived)
		rooms := []string{who.SID, "x"}
		slices.Sort(rooms)
		if data, is := s.Data.(*name); !s.Recovered() || !is || data.Name != "kim" || !slices.Equal(s.Rooms(), rooms) {
			t.Errorf("recovered %v, %+v, %v", s.Recovered(), s.Data, s.Rooms())
		}
	}
	again := nodes[1].dial() // while the connection before lives
	if back := again.connects(who.auth(last)); back != who {
		t.Errorf("came back as %+v, was %+v", back, who)
	}
	c.wants("closed…")
	if other := nodes[0].dial().connects(`{"pid":"nonsense","offset":"x"}`); other.SID == who.SID {
		t.Errorf("%+v", other)
	}
}

// A socket comes back although its node is cut off from NATS, as by kill -9, with the rooms that it had.
func TestRecoveryFromDeadNode(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	relay := program.NewRelay(t, strings.TrimPrefix(nats, "nats://"))
	a := newWorldOn(t, recovers(), server.Options{Broker: cluster.Opener(cluster.Servers{URLs: []string{"nats://" + relay.Addr}}, cluster.Options{Beat: beat})})
	b := newNode(t, nats, recovers())
	c := a.dial()
	who := c.connects("")
	s := await(t, a.arrived)
	s.Join("x")
	keptStates(t, nats, 1)
	s.Join("y") // waits until NATS has the state without it no more
	keptStates(t, nats, 1)
	a.io.To("y").Emit("e", 1)
	last := c.event("e", 1)
	relay.Cut()
	c.Terminate()
	within(t, "another node has the namespace", func() bool { return b.io.To("y").Emit("e", 2) == nil })
	c = b.dial()
	if again := c.connects(who.auth(last)); again != who {
		t.Fatalf("came back as %+v, was %+v", again, who)
	}
	c.event("e", 2)
	if err := b.io.To("x").Emit("e", 3); err != nil {
		t.Error(err)
	}
	c.event("e", 3)
	relay.Mend()
	within(t, "the node is back", func() bool { return a.io.To("x").Emit("e", 4) == nil })
	last = c.event("e", 4)
	await(t, b.arrived).Join("z") // its first node does not know that
	c.Terminate()
	if err := b.io.To("z").Emit("e", 5); err != nil {
		t.Error(err)
	}
	c = a.dial()
	if again := c.connects(who.auth(last)); again != who {
		t.Fatalf("came back as %+v, was %+v", again, who)
	}
	c.event("e", 5)
}
