package admission_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
)

// bus is a maru.Bus between the admissions of a test.
type bus struct {
	name     string
	wire     *wire
	handlers map[string]maru.BusHandler
	leave    func(node string, silent time.Duration)
	lossy    bool // nothing arrives
}

// wire guards what its buses have.
type wire struct {
	mu    sync.Mutex
	buses []*bus
}

func (b *bus) Broadcast(kind string, data []byte) error {
	b.wire.mu.Lock()
	defer b.wire.mu.Unlock()
	for _, other := range b.wire.buses {
		if other != b && !other.lossy {
			other.handlers[kind](b.name, data, nil)
		}
	}
	return nil
}

func (b *bus) lose(on bool) {
	b.wire.mu.Lock()
	defer b.wire.mu.Unlock()
	b.lossy = on
}

func (b *bus) Handle(kind string, h maru.BusHandler)             { b.handlers[kind] = h }
func (b *bus) OnLeave(f func(node string, silent time.Duration)) { b.leave = f }
func (b *bus) Node() string                                      { panic("not used") }
func (b *bus) Nodes() ([]string, bool)                           { panic("not used") }
func (b *bus) Send(string, string, []byte) error                 { panic("not used") }
func (b *bus) Ask(context.Context, string, string, []byte) ([]byte, error) {
	panic("not used")
}

// nodes are admissions of one cluster. Each begins to announce when it is started, and ends with end.
type nodes struct {
	wire
	all []*admission.Admission
	end chan struct{}
}

func newNodes(n, perAddr int) *nodes {
	c := &nodes{end: make(chan struct{})}
	for i := range n {
		c.add(fmt.Sprint(i), perAddr)
	}
	return c
}

func (c *nodes) add(name string, perAddr int) {
	a := &admission.Admission{Registry: admission.NewRegistry(0, perAddr, nil), Rates: new(admission.Rates)}
	b := &bus{name: name, wire: &c.wire, handlers: make(map[string]maru.BusHandler)}
	a.Join(b)
	c.all = append(c.all, a)
	c.mu.Lock()
	c.buses = append(c.buses, b)
	c.mu.Unlock()
	go a.Announce(b, c.end)
}

// A rate is that of a person on all nodes together. What was too much before the others knew is made up
// for.
func TestRatesOfThreeNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(3, 0)
		defer close(c.end)
		kim, home := auth.Identity{User: "kim"}, netip.MustParseAddr("192.0.2.1")
		for _, a := range c.all {
			a.Rates.Set(admission.RateLimits{Publish: admission.RateOf(10), Connect: admission.RateOf(1)})
		}
		many := func(who auth.Identity) (n int) {
			for _, a := range c.all {
				for a.Rates.Publish(who, home, nil) == nil {
					n++
				}
			}
			return n
		}
		if n := many(kim); n != 3*20 {
			t.Errorf("%d at once, want a burst on each node", n)
		}
		time.Sleep(4 * time.Second) // 60 are what six seconds allow, of which two are the burst
		if n := many(kim); n > 3 {
			t.Errorf("%d after 4 s, want none or one each", n)
		}
		total := 0
		for range 100 {
			time.Sleep(time.Second)
			total += many(kim)
		}
		if total < 950 || total > 1000+3*20 {
			t.Errorf("%d in 100 s, want 1,000", total)
		}
		if n := many(auth.Identity{}); n != 3*20 {
			t.Errorf("somebody else: %d", n)
		}
		if c.all[0].Rates.Connect(kim, home) != nil || c.all[0].Rates.Connect(kim, home) != nil {
			t.Error("another rate is counted together with it")
		}
		time.Sleep(time.Second / 2)
		if err := c.all[1].Rates.Connect(kim, home); maru.ErrorOf(err).Code != maru.CodeRateLimited {
			t.Errorf("on another node: %v", err)
		}
	})
}

// The connections of an address are those on all nodes, as far as each knows; also on a node that came
// later, on one that has missed something, and without those of a node that is gone.
func TestAddressesOfThreeNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newNodes(2, 3)
		defer close(c.end)
		home := netip.MustParseAddr("2001:db8::1")
		var open []*live
		connect := func(i int) maru.Code {
			l, err := reserve(c.all[i].Registry, home)
			if err != nil {
				return maru.ErrorOf(err).Code
			}
			open = append(open, l)
			return ""
		}
		for i, step := range []struct {
			node int
			wait time.Duration
			want maru.Code
		}{{0, 0, ""}, {0, 0, ""}, {1, time.Second, ""}, {1, 0, maru.CodeTooManyConnections}, {0, time.Second, maru.CodeTooManyConnections}} {
			time.Sleep(step.wait)
			if got := connect(step.node); got != step.want {
				t.Errorf("step %d: %q, want %q", i, got, step.want)
			}
		}
		c.add("late", 3)
		time.Sleep(11 * time.Second)
		if got := connect(2); got != maru.CodeTooManyConnections {
			t.Errorf("the late node: %q", got)
		}
		c.buses[1].lose(true)
		c.all[0].Registry.Remove(&open[0].entry)
		time.Sleep(time.Second)
		c.buses[1].lose(false)
		if got := connect(1); got != maru.CodeTooManyConnections {
			t.Errorf("a node that has missed it: %q", got)
		}
		time.Sleep(10 * time.Second)
		if got := connect(1); got != "" {
			t.Errorf("10 s later: %q", got)
		}
		time.Sleep(time.Second)
		c.buses[2].leave("1", 0)
		for i, want := range []maru.Code{"", "", maru.CodeTooManyConnections} {
			if got := connect(2); got != want {
				t.Errorf("connection %d after a node is gone: %q, want %q", i, got, want)
			}
		}
	})
}

// Nothing that another node sends makes a node panic.
func FuzzAnnouncements(f *testing.F) {
	var sent [][]byte
	from, to := &bus{name: "a", handlers: map[string]maru.BusHandler{}}, &bus{name: "b", handlers: map[string]maru.BusHandler{}}
	from.wire = &wire{buses: []*bus{from, to}}
	for _, kind := range []string{"spent", "addresses"} {
		to.handlers[kind] = func(_ string, data []byte, _ func([]byte, error)) { sent = append(sent, data) }
	}
	newOne := func(b *bus) *admission.Admission {
		a := &admission.Admission{Registry: admission.NewRegistry(0, 3, nil), Rates: new(admission.Rates)}
		a.Rates.Set(admission.RateLimits{Publish: admission.RateOf(1)})
		a.Join(b)
		return a
	}
	a := newOne(from)
	a.Rates.Publish(auth.Identity{User: "kim"}, netip.Addr{}, nil)
	reserve(a.Registry, netip.MustParseAddr("192.0.2.1"))
	admission.AnnounceOnce(a, from)
	for _, data := range sent {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &bus{handlers: make(map[string]maru.BusHandler)}
		a := newOne(b)
		for kind, h := range b.handlers {
			h("other", data, nil)
			h("other", data, nil)
			if b.leave("other", 0); kind == "addresses" && admission.Elsewhere(a.Registry) != 0 {
				t.Fatalf("%x: counts are left of a node that is gone", data)
			}
		}
	})
}
