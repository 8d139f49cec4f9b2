package loop_test

import (
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Many connections on a loop that is turned by hand: work for all of them delays no other.

// Commands that handlers post in the middle of a large flush are obeyed before the loop
// sleeps.
func TestPostedDuringFlush(t *testing.T) {
	t.Parallel()
	s, conns, peers := openMany(t, 600) // more than two polls
	asks := s.openEcho()
	s.Settle(t)
	for _, c := range conns {
		c.Write(frame.Text, []byte("news"))
	}
	asks.send(frame.Text, "answer me")
	s.Settle(t)
	asks.expect(frame.Text, "answer me")
	for _, p := range peers {
		p.expect(frame.Text, "news")
	}
}

// Connections that were opened together are pinged a few in each turn: a message for one of
// them, and another's request, do not wait for all.
func TestPingsOfACrowd(t *testing.T) {
	t.Parallel()
	const many = 600
	s, conns, peers := openMany(t, many)
	asks := s.openEcho()
	s.Settle(t)
	s.Pass(25 * time.Second)
	before := s.Stats().Writes
	turn := func() int {
		s.Turn()
		return int(s.Stats().Writes - before)
	}
	if n := turn(); n == 0 || n >= many/4 {
		t.Errorf("%d pings in the first turn", n)
	}
	conns[many-1].Write(frame.Text, []byte("news"))
	asks.send(frame.Text, "answer me")
	for range 2 { // one turn receives and writes the news, the other the reply
		turn()
	}
	if n := turn(); n >= many {
		t.Errorf("all %d have their ping already", n)
	}
	asks.expect(frame.Text, "answer me")
	peers[many-1].expect(frame.Text, "news") // and only then
	s.Settle(t)
	for _, p := range peers {
		p.expect(frame.Ping, "")
	}
}

// Even if each turn takes a tick, all connections have their ping in a few turns.
func TestPingsInLongTurns(t *testing.T) {
	t.Parallel()
	const many = 600
	s, _, peers := openMany(t, many)
	s.Settle(t)
	s.Pass(25*time.Second + 4*250*time.Millisecond)
	s.Turn()
	if n := s.Stats().Writes; n != many {
		t.Errorf("%d pings in four turns", n)
	}
	for _, p := range peers {
		p.expect(frame.Ping, "")
	}
}

// openMany is a loop with so many connections.
func openMany(t *testing.T, many int) (s *still, conns []loop.Conn, peers []*peer) {
	s = &still{t, loop.NewStill(t, loop.Options{}), &rig{t: t, unix: true}}
	for range many {
		c, _, p := s.open(loop.Params{})
		conns, peers = append(conns, c), append(peers, p)
	}
	return s, conns, peers
}

// openEcho is a connection whose handler sends back what it gets.
func (s *still) openEcho() *peer {
	near, far := s.rig.pair()
	if _, err := s.Open(near, nil, loop.Params{}, func(c loop.Conn) loop.Handler { return echoing{c} }); err != nil {
		s.t.Fatal(err)
	}
	return newPeer(s.t, far, loop.Params{})
}

type echoing struct{ conn loop.Conn }

func (e echoing) Message(op frame.Opcode, data []byte) { e.conn.Write(op, data) }
func (echoing) Closed(int, string, error)              {}
