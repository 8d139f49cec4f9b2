package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
)

// disk is what survives the end of a process: histories and records.
type disk struct {
	maru.Broker
	sink atomic.Pointer[maru.Sink]

	mu      sync.Mutex
	records map[string]maru.KeptChange
}

func newDisk(o memory.Options) *disk {
	d := &disk{records: make(map[string]maru.KeptChange)}
	o.Sink = func(channel string, at maru.Position, p *maru.Publication) { (*d.sink.Load())(channel, at, p) }
	d.Broker = memory.New(o)
	return d
}

// process is one process on the disk. Nothing that it does after its end reaches the disk.
type process struct {
	*disk
	killed *atomic.Bool
	slow   time.Duration
}

var errKilled = errors.New("the process was killed")

func (p process) KeepAll(_ context.Context, _ string, changes []maru.KeptChange) error {
	time.Sleep(p.slow)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed.Load() {
		return errKilled
	}
	for _, c := range changes {
		delete(p.records, c.Key)
		if c.Value != nil {
			p.records[c.Key] = c
		}
	}
	return nil
}

func (p process) Keep(context.Context, string, string, []byte, time.Time) error { return nil }
func (p process) Forget(context.Context, string, string) error                  { return nil }
func (p process) Close() error                                                  { return nil }

func (p process) Kept(_ context.Context, kind string, each func(string, []byte, time.Time) bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strings.HasPrefix(kind, "socketio") {
		for _, key := range slices.Sorted(maps.Keys(p.records)) {
			if c := p.records[key]; !each(key, c.Value, c.Until) {
				break
			}
		}
	}
	return nil
}

// start starts the next process on the disk.
func (d *disk) start(t *testing.T, o server.Options, slow time.Duration) (*world, *atomic.Bool) {
	t.Helper()
	killed := new(atomic.Bool)
	o.Broker = func(b maru.BrokerOptions) (maru.Broker, error) {
		d.sink.Store(&b.Sink)
		return process{d, killed, slow}, nil
	}
	return newWorld(t, o, socketio.Options{}.WithWriteAfter(5*time.Millisecond)), killed
}

// client is a model of one client and of what it must receive.
type client struct {
	*socket
	t         *testing.T
	who       identity
	offset    string
	channels  map[string]bool
	uncertain string // a channel whose subscription was under way at a kill
	due       []string
	acks      int
	recovered int
	anew      int
}

// reads reads n of the messages that are due.
func (c *client) reads(n int) {
	c.t.Helper()
	for _, want := range c.due[:n] {
		got := c.next()
		matches(c.t, got, want)
		if s, is := argsOf(c.t, got)[3].(string); is {
			c.offset = s
		}
	}
	c.due = c.due[n:]
}

// next is the next event, but for those of the uncertain channel.
func (c *client) next() string {
	c.t.Helper()
	for {
		got := c.wants("4…")
		if c.uncertain == "" || !strings.HasPrefix(got, `42["message","`+c.uncertain+`"`) {
			return got
		}
	}
}

func (c *client) emits(format string, args ...any) (ack string) {
	c.t.Helper()
	c.acks++
	c.says(fmt.Sprintf("42%d", c.acks) + fmt.Sprintf(format, args...))
	return fmt.Sprintf("43%d", c.acks)
}

// comesBack connects again, and finds out whether it was recovered.
func (c *client) comesBack(w *world) {
	c.t.Helper()
	c.socket = w.socket(nil)
	before := c.who
	c.who = c.connects(before.auth(c.offset))
	if c.who == before {
		c.recovered++
		if c.uncertain != "" {
			ack := c.emits(`["unsubscribe","%s"]`, c.uncertain)
			n := 0
			for got := c.next(); !strings.HasPrefix(got, ack); got = c.next() {
				matches(c.t, got, c.due[n])
				c.offset = argsOf(c.t, got)[3].(string)
				n++
			}
			c.due, c.uncertain = c.due[n:], ""
		}
		return
	}
	c.anew++
	c.due, c.uncertain = nil, ""
	clear(c.channels)
	for i := range 4 { // nothing is subscribed
		ack := c.emits(`["presence","x%d"]`, i)
		if got := c.wants("4…"); !strings.HasPrefix(got, ack) || !strings.Contains(got, `"anonymous":0`) {
			c.t.Fatalf("not recovered, and got %s", got)
		}
	}
}

// A random client, at every step of which the server may be killed: either it is recovered and gets
// every message once and in order, or it is not, and has no channel.
func TestKilledAtRandom(t *testing.T) { // not in parallel: others measure heartbeats
	recovered := 0
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 16))
			d := newDisk(memory.Options{})
			w, killed := d.start(t, server.Options{}, time.Duration(seed)*time.Millisecond)
			c := &client{t: t, socket: w.socket(nil), channels: make(map[string]bool)}
			c.who = c.connects("")
			for n := range 150 {
				channel := fmt.Sprint("x", r.IntN(4))
				switch r.IntN(10) {
				case 0, 1, 2, 3, 4:
					w.publish(channel, fmt.Sprint(n))
					if c.channels[channel] {
						c.due = append(c.due, fmt.Sprintf(`42["message","%s","%d",…`, channel, n))
					}
				case 5:
					c.reads(r.IntN(len(c.due) + 1))
				case 6:
					c.reads(len(c.due))
					if !c.channels[channel] {
						ack := c.emits(`["subscribe","%s"]`, channel)
						c.wants(ack + "…")
						c.channels[channel] = true
					}
				case 7:
					c.reads(len(c.due))
					ack := c.emits(`["unsubscribe","%s"]`, channel)
					c.wants(ack + "…")
					delete(c.channels, channel)
				case 8:
					w.broken(c.socket)
					c.comesBack(w)
				case 9:
					w, killed = c.killed(d, w, killed, r)
				}
				time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			}
			c.reads(len(c.due))
			recovered += c.recovered
			t.Logf("recovered %d times, and %d times not", c.recovered, c.anew)
		})
	}
	if recovered < 20 {
		t.Errorf("recovered only %d times", recovered)
	}
}

// killed kills the server, maybe while the client subscribes, and starts another one.
func (c *client) killed(d *disk, w *world, killed *atomic.Bool, r *rand.Rand) (*world, *atomic.Bool) {
	c.t.Helper()
	var ack string
	for _, channel := range []string{"x0", "x1", "x2", "x3"} {
		if !c.channels[channel] && ack == "" && r.IntN(2) == 0 {
			c.reads(len(c.due))
			ack, c.uncertain = c.emits(`["subscribe","%s"]`, channel), channel
			time.Sleep(time.Duration(r.IntN(3000)) * time.Microsecond)
		}
	}
	d.mu.Lock()
	killed.Store(true)
	d.mu.Unlock()
	c.Terminate()
	for ack != "" {
		got := c.wants("…")
		if strings.HasPrefix(got, ack+`[{"channel"`) {
			c.channels[c.uncertain], c.uncertain = true, ""
		} else if !strings.HasPrefix(got, "closed") {
			continue
		}
		ack = ""
	}
	next, dead := d.start(c.t, server.Options{}, time.Millisecond)
	c.comesBack(next)
	return next, dead
}
