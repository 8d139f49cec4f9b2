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
	due       map[string][]string
	published map[string][]string
	acks      int
	recovered int
	anew      int
}

var randomChannels = []string{"x0", "x1", "a:x2", "b:x3", "b:x4"}

// waits is how many messages are due.
func (c *client) waits() (n int) {
	for _, all := range c.due {
		n += len(all)
	}
	return n
}

// reads reads n of the messages that are due.
func (c *client) reads(n int) {
	c.t.Helper()
	for range n {
		c.takes(c.next())
	}
}

// takes a message: the next one of its channel.
func (c *client) takes(got string) {
	c.t.Helper()
	args := argsOf(c.t, got)
	channel, _ := args[1].(string)
	if len(c.due[channel]) == 0 {
		c.t.Fatalf("got %s, which is not due", got)
	}
	matches(c.t, got, c.due[channel][0])
	c.due[channel] = c.due[channel][1:]
	c.offset = args[len(args)-1].(string)
}

// next is the next event, but for those of the uncertain channel.
func (c *client) next() string {
	c.t.Helper()
	for {
		got := c.wants("4…")
		if c.uncertain == "" || !strings.HasPrefix(got, `42["message","`+c.uncertain+`"`) {
			return got
		}
		args := argsOf(c.t, got)
		c.offset = args[len(args)-1].(string)
	}
}

func (c *client) emits(format string, args ...any) (ack string) {
	c.t.Helper()
	c.acks++
	c.says(fmt.Sprintf("42%d", c.acks) + fmt.Sprintf(format, args...))
	return fmt.Sprintf("43%d", c.acks)
}

// subscribes with the newest messages, maybe none, and before all that is due was read.
func (c *client) subscribes(channel string, last int) {
	c.t.Helper()
	options := "{}"
	if last > 0 {
		options = fmt.Sprintf(`{"last":%d}`, last)
	}
	ack := c.emits(`["subscribe","%s",%s]`, channel, options)
	got := c.next()
	for ; !strings.HasPrefix(got, ack); got = c.next() {
		c.takes(got)
	}
	if !strings.HasPrefix(got, ack+`[{"channel"`) {
		c.t.Fatal(got)
	}
	c.channels[channel] = true
	all := c.published[channel]
	c.due[channel] = slices.Clone(all[max(0, len(all)-last):])
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
			for got := c.next(); !strings.HasPrefix(got, ack); got = c.next() {
				c.takes(got)
			}
			c.uncertain = ""
		}
		return
	}
	c.anew++
	c.uncertain = ""
	clear(c.due)
	clear(c.channels)
	for _, channel := range randomChannels { // nothing is subscribed
		ack := c.emits(`["presence",%q]`, channel)
		if got := c.wants("4…"); !strings.HasPrefix(got, ack) || !strings.Contains(got, `"anonymous":0`) {
			c.t.Fatalf("not recovered, and got %s", got)
		}
	}
}

// A random client, at every step of which its connection may break and the server may be killed. Its
// channels lie in several histories, and it subscribes with and without what was published before.
// Either it is recovered and gets every message once and in order, or it is not, and has no channel.
func TestKilledAtRandom(t *testing.T) { // not in parallel: others measure heartbeats
	recovered := 0
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 16))
			d := newDisk(memory.Options{})
			w, killed := d.start(t, server.Options{}, time.Duration(seed%4)*time.Millisecond)
			c := &client{t: t, socket: w.socket(nil), channels: make(map[string]bool), due: make(map[string][]string), published: make(map[string][]string)}
			c.who = c.connects("")
			for n := range 150 {
				channel := randomChannels[r.IntN(int(2+seed%4))] // of one history, or of several
				switch r.IntN(10) {
				case 0, 1, 2, 3, 4:
					w.publish(channel, fmt.Sprint(n))
					message := fmt.Sprintf(`42["message","%s","%d",…`, channel, n)
					c.published[channel] = append(c.published[channel], message)
					if c.channels[channel] {
						c.due[channel] = append(c.due[channel], message)
					}
				case 5:
					c.reads(r.IntN(c.waits() + 1))
				case 6:
					if !c.channels[channel] {
						c.subscribes(channel, r.IntN(2)*r.IntN(10))
					}
				case 7:
					ack := c.emits(`["unsubscribe","%s"]`, channel)
					for got := c.next(); !strings.HasPrefix(got, ack); got = c.next() {
						c.takes(got)
					}
					delete(c.channels, channel)
				case 8:
					w.broken(c.socket)
					c.comesBack(w)
				case 9:
					w, killed = c.killed(d, w, killed, r)
				}
				time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
			}
			c.reads(c.waits())
			recovered += c.recovered
			t.Logf("recovered %d times, and %d times not", c.recovered, c.anew)
		})
	}
	if recovered < 30 {
		t.Errorf("recovered only %d times", recovered)
	}
}

// killed kills the server, maybe while the client subscribes, and starts another one.
func (c *client) killed(d *disk, w *world, killed *atomic.Bool, r *rand.Rand) (*world, *atomic.Bool) {
	c.t.Helper()
	var ack string
	for _, channel := range randomChannels {
		if !c.channels[channel] && ack == "" && r.IntN(3) == 0 {
			c.reads(c.waits())
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
