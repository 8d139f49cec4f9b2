package socketio

import (
	"crypto/rand"
	"slices"
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// maxHistories is the most histories of one client: lists are part of each of its messages.
const maxHistories = 16

// tailored gets the publications of a client for which one position does not say what it has: its
// channels lie in several histories, or a replay came behind other channels. Each of its messages
// has a list of positions as one more argument, the last. They are encoded for this client alone.
type tailored struct {
	conn  *Conn
	nonce [4]byte // in all lists, so that those of other connections are told apart

	mu     sync.Mutex
	at     []place // what the client has of each history when it has what was sent
	joined uint32  // of its subscriptions, the last that has begun: the numbers of rooms
	next   uint32  // one that begins
	broken bool    // a message could not be sent: none may follow
}

func newTailored(c *Conn, joined uint32) *tailored {
	t := &tailored{conn: c, joined: joined, next: joined}
	rand.Read(t.nonce[:])
	return t
}

// begin begins with what was sent before.
func (t *tailored) begin(channel string, last maru.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if last.Offset > 0 {
		t.reached(channel, last)
	}
}

// coming notes the number of a subscription that begins, and forgets histories that the client has no
// channels of.
func (t *tailored) coming(number uint32, histories []place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = number
	t.at = slices.DeleteFunc(t.at, func(p place) bool { return !slices.ContainsFunc(histories, p.same) })
}

// Receive implements hub.Receiver.
func (t *tailored) Receive(all []hub.Received, joined bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		return loop.ErrClosed
	}
	ms := make([]*loop.Message, len(all))
	for i, r := range all {
		if joined && i == len(all)-1 {
			t.joined = t.next
		}
		ms[i] = t.encode(r)
	}
	if joined {
		t.joined = t.next
	}
	err := t.send(ms, joined || len(all) > 0 && all[0].Replay)
	if err != nil {
		t.broken = true
	}
	if err == loop.ErrFull {
		t.conn.Close(errSlow)
	}
	return err
}

// send sends what was published now, or a piece of a history, which may be longer than a backlog.
func (t *tailored) send(ms []*loop.Message, replay bool) error {
	switch {
	case len(ms) == 0:
		return nil
	case len(ms) > 1 || replay:
		return t.conn.Conn().SendAll(ms)
	}
	ms[0].Stamp()
	return t.conn.Conn().Send(ms[0])
}

func (t *tailored) encode(r hub.Received) *loop.Message {
	if r.At.Offset == 0 {
		return encodePublication(r.Channel, r.At.Epoch, r.Publication)
	}
	l := list{nonce: t.nonce, joined: t.joined}
	if r.Replay {
		l.channel, l.own = r.Channel, r.At
	} else {
		t.reached(r.Channel, r.At)
	}
	l.at = t.at
	return encodeListed(r.Channel, r.At.Epoch, r.Publication, l.String())
}

// reached notes that the client has the history of a channel up to a position. t.mu is held.
func (t *tailored) reached(channel string, at maru.Position) {
	p := placeOf(channel, at)
	i := slices.IndexFunc(t.at, p.same)
	switch {
	case i >= 0:
		t.at[i].Offset = max(t.at[i].Offset, at.Offset)
	case len(t.at) < maxHistories: // else the client is not recovered
		t.at = append(t.at, p)
	}
}
