package loop_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Messages that one goroutine posts to a connection and to its groups arrive in that order,
// however the loops divide them into batches.
func TestOrder(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogBytes, r.options.BacklogMessages = 1<<30, 1<<20
		rapid.Check(t, func(rt *rapid.T) {
			o := orderTest{t: t, rt: rt, rig: &rig{t: t, options: r.options, unix: true, tls: r.tls}}
			defer o.stop()
			o.run()
		})
	})
}

// orderTest does random things to some connections and groups, and keeps beside
// each connection what it must receive.
type orderTest struct {
	t  *testing.T
	rt *rapid.T
	*rig
	members []*orderMember
	groups  []*loop.Group
	number  int
}

type orderMember struct {
	conn loop.Conn
	peer *peer
	in   []bool // by group
	want []string
	got  chan []string
}

func (*orderMember) Message(frame.Opcode, []byte) {}
func (*orderMember) Closed(int, string, error)    {}

func (o *orderTest) run() {
	const members, groups = 4, 3
	o.start()
	for range groups {
		o.groups = append(o.groups, o.engine.NewGroup())
	}
	for i := range members {
		form := uint8(0)
		if i%2 == 1 {
			form = 15
		}
		near, far := o.pair()
		p := loop.Params{Compression: frame.Compression{DeflateBits: form}}
		m := &orderMember{peer: newPeer(o.t, far, p), in: make([]bool, groups), got: make(chan []string, 1)}
		var err error
		if m.conn, err = o.engine.Open(near, nil, p, func(loop.Conn) loop.Handler { return m }); err != nil {
			o.t.Fatal(err)
		}
		o.members = append(o.members, m)
		go m.read()
	}
	for range rapid.IntRange(1, 3).Draw(o.rt, "batches") {
		release := o.hold()
		for range rapid.IntRange(1, 25).Draw(o.rt, "posts") {
			o.post()
		}
		release()
	}
	for _, m := range o.members {
		m.conn.Close(1000, "")
	}
	for i, m := range o.members {
		if got := await(o.t, m.got); !slices.Equal(got, m.want) {
			o.rt.Fatalf("member %d received\n%v, want\n%v", i, got, m.want)
		}
	}
}

// post makes one random call.
func (o *orderTest) post() {
	m := rapid.SampledFrom(o.members).Draw(o.rt, "member")
	n := rapid.IntRange(0, len(o.groups)-1).Draw(o.rt, "group")
	g := o.groups[n]
	switch rapid.IntRange(0, 6).Draw(o.rt, "what") {
	case 0:
		m.conn.Send(o.message(m))
	case 1:
		m.conn.SendAll([]*loop.Message{o.message(m), o.message(m)})
	case 2:
		if !m.in[n] {
			m.in[n] = true
			g.Add(m.conn)
		}
	case 3:
		if m.in[n] {
			m.in[n] = false
			g.Remove(m.conn)
		}
	case 4:
		g.AppendExcept(o.message(o.in(n, m)...), m.conn)
	default:
		g.Append(o.message(o.in(n, nil)...))
	}
}

// in are the members of a group, but one.
func (o *orderTest) in(group int, except *orderMember) (in []*orderMember) {
	for _, m := range o.members {
		if m.in[group] && m != except {
			in = append(in, m)
		}
	}
	return in
}

// message makes a new one and records its receivers.
func (o *orderTest) message(to ...*orderMember) *loop.Message {
	o.number++
	id := strconv.Itoa(o.number)
	for _, m := range to {
		m.want = append(m.want, id)
	}
	size := rapid.SampledFrom([]int{0, 0, 0, 10, 5000, 100_000}).Draw(o.rt, "size")
	return text(id + " " + strings.Repeat("x", size))
}

// read collects all messages until the close frame.
func (m *orderMember) read() {
	var ids []string
	for {
		ev, err := m.peer.event()
		if err != nil || ev.Op == frame.Close {
			m.got <- ids
			return
		}
		id, _, _ := strings.Cut(string(ev.Payload), " ")
		ids = append(ids, id)
	}
}

// K messages for N members in one batch are N writes of one joined block.
func TestOneWritePerMemberAndBatch(t *testing.T) {
	t.Parallel()
	const members, messages = 50, 16
	r := &rig{t: t, options: loop.Options{Loops: 1}}
	g := r.start().NewGroup()
	var peers []*peer
	for range members {
		c, _, p := r.conn(loop.Params{})
		g.Add(c)
		peers = append(peers, p)
	}
	release := r.hold()
	before := r.engine.Stats()
	for i := range messages {
		g.Append(text(strconv.Itoa(i)))
	}
	release()
	for _, p := range peers {
		for i := range messages {
			p.expect(frame.Text, strconv.Itoa(i))
		}
	}
	until(t, "all is counted", func() bool {
		return r.engine.Stats().Deliveries-before.Deliveries == members*messages
	})
	after := r.engine.Stats()
	if writes, joins := after.Writes-before.Writes, after.Joins-before.Joins; writes != members || joins != 1 {
		t.Errorf("%d writes and %d joins for %d members", writes, joins, members)
	}
}

// A member with messages of its own gets these and the groups' in one write too.
func TestOneWriteWithAReply(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Loops: 1}}
	one, two := r.start().NewGroup(), r.engine.NewGroup()
	c, _, p := r.conn(loop.Params{})
	one.Add(c)
	two.Add(c)
	release := r.hold()
	before := r.engine.Stats()
	one.Append(text("1"))
	c.Send(text("2"))
	two.Append(text("3"))
	one.Append(text("4"))
	release()
	for i := range 4 {
		p.expect(frame.Text, strconv.Itoa(i+1))
	}
	if writes := r.engine.Stats().Writes - before.Writes; writes != 1 {
		t.Errorf("%d writes", writes)
	}
}

// A handle of a connection that has ended does nothing to the one in its slot.
func TestOldHandle(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.Loops = 1
		old, ears, _ := r.conn(loop.Params{})
		g := r.engine.NewGroup()
		g.Add(old)
		old.Terminate()
		await(t, ears.closed)
		c, ears, peer := r.conn(loop.Params{}) // in the same slot
		if old == c {
			t.Fatal("the same handle twice")
		}
		if err := old.Send(text("old")); err != loop.ErrClosed {
			t.Errorf("send: %v", err)
		}
		old.Ping(nil)
		old.SendAll([]*loop.Message{text("old")})
		old.Close(1000, "old")
		old.Pause()
		g.Remove(old)
		g.Add(old)
		g.Append(text("for the old one"))
		old.Terminate()
		if old.Open() {
			t.Error("the old handle is open")
		}
		release := r.hold()
		c.Send(text("waits"))
		if c.Buffered() == 0 || old.Buffered() != 0 {
			t.Errorf("%d bytes buffered, %d by the old handle", c.Buffered(), old.Buffered())
		}
		release()
		peer.expect(frame.Text, "waits")
		c.Send(text("new"))
		peer.expect(frame.Text, "new")
		peer.send(frame.Text, "received")
		ears.want(t, frame.Text, "received")
	})
}

// Members come and go in the middle of a batch.
func TestLeavingMidBatch(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.Loops = 1
		g := r.start().NewGroup()
		var conns []loop.Conn
		var all []*ears
		var peers []*peer
		for range 5 {
			c, e, p := r.conn(loop.Params{})
			g.Add(c)
			conns, all, peers = append(conns, c), append(all, e), append(peers, p)
		}
		release := r.hold()
		g.Append(text("1"))
		g.Remove(conns[0])
		conns[1].Close(1000, "closed")
		conns[2].Terminate()
		g.Append(text("2"))
		g.AppendExcept(text("3"), conns[3])
		g.AppendExcept(text("4"), conns[0])
		g.Add(conns[0])
		g.Append(text("5"))
		release()
		want := map[int][]string{0: {"1", "5"}, 1: {"1"}, 3: {"1", "2", "4", "5"}, 4: {"1", "2", "3", "4", "5"}}
		for i, texts := range want {
			for _, s := range texts {
				peers[i].expect(frame.Text, s)
			}
		}
		peers[1].expectClose(1000, "closed")
		all[2].wantEnd(t, 1006, "", true)
		g.Append(text("end"))
		for _, i := range []int{0, 3, 4} {
			peers[i].expect(frame.Text, "end")
		}
	})
}

// A group with many joins and leaves keeps only the memory for its present members, and
// each member its place.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, options: loop.Options{Goroutines: true, Loops: 3}, pipes: true}
	groups := []*loop.Group{r.start().NewGroup(), r.engine.NewGroup()}
	var conns []loop.Conn
	var peers []*peer
	for range 300 {
		c, _, p := r.conn(loop.Params{})
		conns, peers = append(conns, c), append(peers, p)
		groups[0].Add(c)
		groups[1].Add(c)
	}
	for i, c := range conns {
		if i%3 != 0 {
			groups[i%2].Remove(c)
		}
	}
	for i, g := range groups {
		g.Append(text(fmt.Sprint("group ", i)))
	}
	for i, p := range peers {
		if i%3 == 0 {
			p.expect(frame.Text, "group 0")
			p.expect(frame.Text, "group 1")
		} else {
			p.expect(frame.Text, fmt.Sprint("group ", 1-i%2))
		}
	}
}

// A group is written to with io_uring, where there is one. A member that does not read for
// a while gets all messages in the end, in order and once, and does not delay the others.
func TestFullSocketsInAGroup(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		const members, messages = 20, 12
		r.narrow = true
		r.options.Loops, r.options.BacklogBytes, r.options.BacklogMessages = 1, 1<<30, 1<<20
		g := r.start().NewGroup()
		var conns []loop.Conn
		var peers []*peer
		for range members {
			c, _, p := r.conn(loop.Params{})
			conns, peers = append(conns, c), append(peers, p)
			g.Add(c)
		}
		message := func(i int) string { return fmt.Sprintf("%06d%s", i, strings.Repeat("x", 64<<10)) }
		reads := func(member int) bool { return member%2 == 0 }
		for i := range messages {
			g.Append(text(message(i)))
			for member, p := range peers {
				if reads(member) {
					p.expect(frame.Text, message(i))
				}
			}
		}
		for member, p := range peers {
			if reads(member) {
				continue
			}
			if conns[member].Buffered() == 0 {
				t.Errorf("the socket of member %d was not full", member)
			}
			for i := range messages {
				p.expect(frame.Text, message(i))
			}
		}
		g.Append(text("end"))
		for _, p := range peers {
			p.expect(frame.Text, "end")
		}
	})
}
