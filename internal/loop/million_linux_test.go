package loop

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
)

// multitude is an engine full of connections that have everything but a socket. Slots,
// handlers and memberships are the usual ones, opened the usual way. A poller that watches
// nothing and a write that discards replace the kernel. So one process can have more of
// them than it can open files.
type multitude struct {
	engine *Engine
	conns  []Conn
	all    *Group
	rooms  []*Group // of roomSize members each
	leave  atomic.Bool
	left   sync.WaitGroup
}

const roomSize = 1000

// nothing is a poller whose sockets do not exist.
type nothing struct {
	bell
	m    *multitude
	once *sync.Once
}

func (nothing) add(int, connID) error { return nil }

// wait is where the loop removes the numbers that stand for sockets: files with these
// numbers must not be closed.
func (n nothing) wait(l *Loop) {
	n.bell.wait(l)
	if n.m.leave.Load() {
		n.once.Do(func() {
			l.each(phaseConnected, func(_ connID, s *slot) { s.fd = -1 })
			n.m.left.Done()
		})
	}
}

// someone is as large as a raw connection of a channel, and has as many pointers.
type someone struct {
	deaf
	conn   Conn
	places [3]*Group
	rest   [80]byte
}

// newMultitude opens n connections, which all join one group and, if they have
// rooms, one other each. Their descriptors are 0 to n-1 for put.
func newMultitude(tb testing.TB, n int, rooms bool, p Params, put func(fd int, b []byte) (int, error)) *multitude {
	tb.Helper()
	e := &Engine{options: Options{PingInterval: -1}.withDefaults(), empty: make(chan struct{})}
	e.signalEmpty = sync.OnceFunc(func() { close(e.empty) })
	stop := make(chan struct{})
	e.stopClock = sync.OnceFunc(func() { close(stop) })
	e.clock = newClock(e.options)
	m := &multitude{engine: e}
	for range e.options.Loops {
		l := newLoop(e)
		l.poll.close()
		l.out.closeRing()
		l.poll = nothing{bell: make(bell, 1), m: m, once: new(sync.Once)}
		l.inbox.wake, l.out.put = l.poll.wake, put
		m.left.Add(1)
		e.loops = append(e.loops, l)
	}
	for _, l := range e.loops {
		e.running.Go(l.run)
	}
	e.running.Go(func() { e.clock.run(stop, e.loops) })
	tb.Cleanup(func() { m.end(tb) })

	m.all = e.NewGroup()
	m.conns = make([]Conn, n)
	for i := range n {
		l := e.loops[i%len(e.loops)]
		c := l.slab.allocate(l)
		l.slab.slot(c.id).form.Store(p.form())
		e.live.Add(1)
		l.inbox.post(command{do: doOpen, conn: c.id, payload: &opening{fd: i, params: p, handler: &someone{conn: c}}})
		m.all.Add(c)
		if rooms {
			if i%roomSize == 0 {
				m.rooms = append(m.rooms, e.NewGroup())
			}
			m.rooms[i/roomSize].Add(c)
		}
		m.conns[i] = c
		if i%1000 == 0 {
			e.Wait(context.Background())
		}
	}
	m.idle()
	return m
}

// idle waits until the loops have obeyed all earlier commands.
func (m *multitude) idle() {
	for _, l := range m.engine.loops {
		done := make(chan struct{})
		l.inbox.post(command{do: doDrain, payload: done}) // of no connection: closed at once
		<-done
	}
}

// say appends a message to groups, which have so many members, and waits until all have
// received it.
func (m *multitude) say(message *Message, members int, groups ...*Group) {
	want := m.engine.Stats().Deliveries + uint64(members)
	for _, g := range groups {
		g.Append(message)
	}
	m.await(want)
}

// await waits until so many messages have been written since the start.
func (m *multitude) await(deliveries uint64) {
	for m.engine.Stats().Deliveries < deliveries {
		time.Sleep(20 * time.Microsecond)
	}
}

func (m *multitude) end(tb testing.TB) {
	m.leave.Store(true)
	for _, l := range m.engine.loops {
		l.poll.wake()
	}
	m.left.Wait()
	over, cancel := context.WithCancel(context.Background())
	cancel()
	m.engine.Shutdown(over, 1001, "")
	if slots, bytes, memberships := m.engine.Leftovers(); slots != 0 || bytes != 0 || memberships != 0 {
		tb.Errorf("left: %d slots, %d bytes, %d memberships", slots, bytes, memberships)
	}
}

// More connections than a process may have files: each gets its messages, once and in
// order, in one write a batch, and costs no more memory than it should. Not parallel: it
// counts the memory of the process.
func TestMultitude(t *testing.T) {
	const many = 20_000
	before := heap()
	got := make([]atomic.Pointer[[]string], many)
	m := newMultitude(t, many, true, Params{}, func(fd int, b []byte) (int, error) {
		if fd < 0 { // the close frame at the end
			return len(b), nil
		}
		one := append([]string(nil), load(&got[fd])...)
		one = append(one, strings.ToValidUTF8(string(b), "|"))
		got[fd].Store(&one)
		return len(b), nil
	})
	const most = 500 // some 380, of which 160 are this test's and 80 go with a larger number
	if each := (heap() - before) / many; each > most {
		t.Errorf("a connection costs %d bytes", each)
	}
	text := func(s string) *Message { return NewMessage(frame.Text, []byte(s)) }
	m.say(text("all"), many, m.all)
	m.say(text("room"), roomSize, m.rooms[3])
	m.say(text("again"), many, m.all)
	for i := range got {
		want := []string{"|\x03all", "|\x05again"}
		if i/roomSize == 3 {
			want = slices.Insert(want, 1, "|\x04room")
		}
		if writes := load(&got[i]); !slices.Equal(writes, want) {
			t.Fatalf("connection %d was written %q, want %q", i, writes, want)
		}
	}
}

func load(p *atomic.Pointer[[]string]) []string {
	if s := p.Load(); s != nil {
		return *s
	}
	return nil
}

func heap() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkMillion is a million connections in one process. It measures their memory, a
// garbage collection, and the time to walk them all with one message. The work of the
// kernel, which is the larger part, is not done.
func BenchmarkMillion(b *testing.B) {
	const many = 1_000_000
	for _, rooms := range []bool{false, true} {
		b.Run(fmt.Sprintf("rooms=%t", rooms), func(b *testing.B) {
			before := heap()
			began := time.Now()
			m := newMultitude(b, many, rooms, Params{}, func(_ int, b []byte) (int, error) { return len(b), nil })
			opened := time.Since(began)
			after := heap()

			var collections, pauses []time.Duration
			for range 9 {
				var stats runtime.MemStats
				runtime.ReadMemStats(&stats)
				paused, began := stats.PauseTotalNs, time.Now()
				runtime.GC()
				collections = append(collections, time.Since(began))
				runtime.ReadMemStats(&stats)
				pauses = append(pauses, time.Duration(stats.PauseTotalNs-paused))
			}

			message := NewMessage(frame.Text, []byte(strings.Repeat(".", 128)))
			var fanouts []time.Duration
			for b.Loop() {
				began, members := time.Now(), many
				groups := []*Group{m.all}
				if rooms { // one of which also gets a message
					groups, members = append(groups, m.rooms[0]), members+roomSize
				}
				m.say(message, members, groups...)
				fanouts = append(fanouts, time.Since(began))
			}
			b.StopTimer()
			b.ReportMetric(float64(after-before)/many, "heap-bytes/connection")
			b.ReportMetric(float64(opened.Nanoseconds())/many, "ns/open")
			b.ReportMetric(median(collections), "gc-ms")
			b.ReportMetric(median(pauses)*1000, "gc-pause-µs")
			b.ReportMetric(median(fanouts), "fanout-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkTakeover measures contexts after 8 KB each, in messages of 128 bytes: their
// memory, and a fan-out that is compressed for each connection. Beside it is the same
// without contexts.
func BenchmarkTakeover(b *testing.B) {
	const many = 10_000
	for name, p := range map[string]Params{"shared": {Compression: frame.Compression{DeflateBits: 12}}, "takeover": {Compression: frame.Compression{DeflateBits: 12, Takeover: true}}} {
		b.Run(name, func(b *testing.B) {
			before := heap()
			m := newMultitude(b, many, false, p, func(_ int, b []byte) (int, error) { return len(b), nil })
			said, written := 0, uint64(0)
			say := func() {
				message := fmt.Sprintf(`{"user":"Suyin","text":"number %d of many","room":"hall"}`, said)
				message += strings.Repeat(" ", 128-len(message))
				written = m.engine.Stats().Written
				m.say(NewMessage(frame.Text, []byte(message)), many, m.all)
				written = m.engine.Stats().Written - written
				said++
			}
			for range 64 {
				say()
			}
			each := (heap() - before) / many
			for b.Loop() {
				say()
			}
			b.ReportMetric(float64(each), "heap-bytes/connection")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/many*float64(len(m.engine.loops)), "cpu-ns/delivery")
			b.ReportMetric(float64(written)/many, "bytes/message")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// median in milliseconds.
func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Microseconds()) / 1000
}
