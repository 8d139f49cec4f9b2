package loop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
)

// busy answers each message, and records the largest size of the inbox.
type busy struct {
	deaf
	conn Conn
	most *int64
}

func (b busy) Message(op frame.Opcode, data []byte) {
	b.conn.Write(op, data)
	*b.most = max(*b.most, b.conn.loop.inbox.bytes.Load())
}

// The commands of a batch's handlers are obeyed for several of them together, and before
// there are many: input beyond a first piece is read in a later turn.
func TestBatchIsObeyedTogether(t *testing.T) {
	t.Parallel()
	const members = 4 * batchReads
	for name, test := range map[string]struct {
		messages int // that each client sends at once
		least    int // of them that the inbox holds at most
		most     int
	}{
		"few each":               {messages: 1, least: batchReads, most: batchReads},
		"many each":              {messages: 500, least: batchReads * 500, most: batchReads * 500},
		"more than a piece each": {messages: 2000, least: batchReads * (aheadBytes / 7), most: batchReads * (aheadBytes/7 + 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewStill(t, Options{})
			if s.Loop.out.ring == nil {
				t.Skip("this system has no io_uring for us: answers are written one by one")
			}
			one := frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte("x"))
			var most int64
			var peers []net.Conn
			for range members {
				near, far := sockets(t)
				c := s.Loop.slab.allocate(s.Loop)
				s.live.Add(1)
				s.Loop.opened(c.id, &opening{fd: near, handler: busy{conn: c, most: &most}})
				peers = append(peers, far)
			}
			s.Settle(t)
			for _, far := range peers {
				far.Write(bytes.Repeat(one, test.messages))
			}
			s.Settle(t)
			const each = commandBytes + 3 // with a frame of one byte
			if held := int(most) / each; held < test.least || held > test.most {
				t.Errorf("the inbox held what answers %d messages, want %d to %d", held, test.least, test.most)
			}
			for i, far := range peers {
				answer := make([]byte, 3*test.messages)
				far.SetReadDeadline(time.Now().Add(20 * time.Second))
				if _, err := io.ReadFull(far, answer); err != nil || string(answer) != strings.Repeat("\x81\x01x", test.messages) {
					t.Fatalf("peer %d got %q, %v", i, answer, err)
				}
			}
		})
	}
}

// notes has the events of a handler.
type notes struct{ events []string }

func (n *notes) Message(_ frame.Opcode, data []byte) { n.events = append(n.events, string(data)) }
func (n *notes) Closed(code int, _ string, _ error)  { n.events = append(n.events, fmt.Sprint(code)) }

// Something happens to a connection after the poller's report and before the read. Its
// handler still gets all messages, once and in order, and then the end. This holds also
// without a ring, or when it fails just then.
func TestBatchInTheMeantime(t *testing.T) {
	t.Parallel()
	const members = 3*batchReads + 1
	hello, more := "hello", "more"
	say := func(text string) []byte {
		return frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte(text))
	}
	whats := []struct {
		happens func(far net.Conn)
		want    []string
	}{
		{func(net.Conn) {}, []string{hello}},
		{func(far net.Conn) { far.Write(say(more)) }, []string{hello, more}},
		{func(far net.Conn) { far.Write(say(more)[:5]) }, []string{hello}},
		{func(far net.Conn) { far.Close() }, []string{hello, "1006"}},
		{func(far net.Conn) { far.Write(say(more)); far.Close() }, []string{hello, more, "1006"}},
		{func(far net.Conn) { far.Write(say(strings.Repeat("x", 3*aheadBytes))) }, []string{hello, strings.Repeat("x", 3*aheadBytes)}},
	}
	for name, before := range map[string]func(l *Loop){
		"ring":    func(*Loop) {},
		"no ring": func(l *Loop) { l.out.closeRing() },
		"failing": func(l *Loop) { unix.Close(l.out.ring.fd); l.out.ring.fd = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewStill(t, Options{})
			l := s.Loop
			if l.out.ring == nil {
				t.Skip("this system has no io_uring for us: they are read one by one")
			}
			var all []*notes
			var peers []net.Conn
			for range members {
				near, far := sockets(t)
				c := l.slab.allocate(l)
				s.live.Add(1)
				n := new(notes)
				l.opened(c.id, &opening{fd: near, handler: n})
				all, peers = append(all, n), append(peers, far)
			}
			s.Settle(t)
			for _, far := range peers {
				far.Write(say(hello))
			}
			n := s.poll.ready()
			for i, far := range peers {
				whats[i%len(whats)].happens(far)
			}
			before(l)
			s.poll.serve(l, n)
			s.Settle(t)
			for i, n := range all {
				if want := whats[i%len(whats)].want; !slices.Equal(n.events, want) {
					t.Errorf("member %d: got %.60q, want %.60q", i, n.events, want)
				}
			}
		})
	}
}
