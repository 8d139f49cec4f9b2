package admission_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/shares"
)

// live is a connection that records what happens to it.
type live struct {
	entry admission.Entry
	info  admission.Info
	who   auth.Identity
	left  func()

	decisions []auth.Decision

	mu     sync.Mutex
	closed []error
}

func (l *live) Entry() *admission.Entry { return &l.entry }
func (l *live) Identity() auth.Identity { return l.who }
func (l *live) Info() admission.Info    { return l.info }
func (l *live) Leave()                  { l.left() }
func (l *live) Review(ask func(auth.Decision) error) (n int) {
	for _, d := range l.decisions {
		if err := ask(d); err != nil {
			l.Close(err)
			n++
		}
	}
	return n
}
func (l *live) Close(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = append(l.closed, err)
}

// reserve counts one in, for as long as it works.
func reserve(r *admission.Registry, a netip.Addr) (*live, error) {
	res, err := r.Reserve(shares.Address(a), a)
	l := new(live)
	l.entry.Open(res)
	return l, err
}

func TestLimits(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	for name, c := range map[string]struct {
		total, perAddr int
		enter          []netip.Addr
		refused        netip.Addr // the next one, where valid
		says           string
		allowed        netip.Addr // and this one, where valid
	}{
		"no limit":           {0, 0, []netip.Addr{addr("::1"), addr("::1"), addr("::1")}, netip.Addr{}, "", addr("::1")},
		"in all":             {2, 0, []netip.Addr{addr("192.0.2.1"), addr("192.0.2.2")}, addr("192.0.2.3"), "the server", netip.Addr{}},
		"of an address":      {0, 2, []netip.Addr{addr("192.0.2.1"), addr("192.0.2.1")}, addr("192.0.2.1"), "192.0.2.1", addr("192.0.2.2")},
		"IPv4 mapped":        {0, 1, []netip.Addr{addr("192.0.2.1")}, addr("::ffff:192.0.2.1"), "192.0.2.1", addr("::ffff:192.0.2.2")},
		"IPv6 by /64":        {0, 1, []netip.Addr{addr("2001:db8::1")}, addr("2001:db8::ffff:1"), "2001:db8::", addr("2001:db8:0:1::1")},
		"IPv6 zone":          {0, 1, []netip.Addr{addr("fe80::1%eth0")}, addr("fe80::1"), "fe80::", netip.Addr{}},
		"all before address": {1, 1, []netip.Addr{addr("192.0.2.1")}, addr("192.0.2.1"), "the server", netip.Addr{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := admission.NewRegistry(c.total, c.perAddr, nil)
			var inside []*live
			for _, a := range c.enter {
				l, err := reserve(r, a)
				if err != nil {
					t.Fatalf("%v: %v", a, err)
				}
				inside = append(inside, l)
			}
			if c.refused.IsValid() {
				_, err := reserve(r, c.refused)
				if maru.ErrorOf(err).Code != maru.CodeTooManyConnections || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v: got %v, want that it says %q", c.refused, err, c.says)
				}
			}
			if r.Count() != len(c.enter) {
				t.Errorf("Count is %d: the refused one counts", r.Count())
			}
			if c.allowed.IsValid() {
				l, err := reserve(r, c.allowed)
				if err != nil {
					t.Errorf("%v: %v", c.allowed, err)
				}
				r.Remove(&l.entry)
			}
			for _, l := range inside {
				r.Remove(&l.entry)
			}
			if r.Count() != 0 {
				t.Errorf("Count is %d after all were removed", r.Count())
			}
			if c.refused.IsValid() {
				if _, err := reserve(r, c.refused); err != nil {
					t.Errorf("after all were removed: %v", err)
				}
			}
		})
	}
}

// Connections without a valid address cannot be distinguished, and count only in total.
func TestInvalidAddress(t *testing.T) {
	t.Parallel()
	r := admission.NewRegistry(3, 1, nil)
	var inside []*live
	for range 3 {
		l, err := reserve(r, netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		if l.entry.Addr().IsValid() {
			t.Errorf("the address is %v", l.entry.Addr())
		}
		inside = append(inside, l)
	}
	if _, err := reserve(r, netip.Addr{}); maru.ErrorOf(err).Code != maru.CodeTooManyConnections {
		t.Errorf("the fourth of three: %v", err)
	}
	for _, l := range inside {
		r.Remove(&l.entry)
	}
	if r.Count() != 0 {
		t.Errorf("Count is %d", r.Count())
	}
}

func TestOverloaded(t *testing.T) {
	t.Parallel()
	r := admission.NewRegistry(0, 0, nil)
	r.Refuse(true)
	if _, err := reserve(r, netip.Addr{}); maru.ErrorOf(err).Code != maru.CodeOverloaded {
		t.Error(err)
	}
	r.Refuse(false)
	if _, err := reserve(r, netip.Addr{}); err != nil {
		t.Error(err)
	}
}

func TestLimitsHoldUnderLoad(t *testing.T) {
	t.Parallel()
	const total, perAddr = 20, 3
	r := admission.NewRegistry(total, perAddr, nil)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 8)})
			for range 500 {
				l, err := reserve(r, a)
				if err != nil {
					continue
				}
				r.Add(l)
				if n := r.Count(); n < 1 || n > total {
					t.Errorf("Count is %d", n)
				}
				r.Remove(&l.entry)
			}
		})
	}
	wg.Wait()
	if r.Count() != 0 || len(slices.Collect(r.All())) != 0 {
		t.Errorf("Count is %d, and %d are listed", r.Count(), len(slices.Collect(r.All())))
	}
}

// Where addresses are not limited, a reservation allocates nothing, and what a live
// connection costs for being listed is its place in the slab: 16 bytes.
func TestRegistryCost(t *testing.T) { // not parallel: it counts allocations
	r := admission.NewRegistry(0, 0, nil)
	a := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(1000, func() { r.Reserve(shares.Address(a), a); a = a.Next() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if size := unsafe.Sizeof(admission.Entry{}); size != 32 {
		t.Errorf("an entry is %d bytes, want 32", size)
	}
	if size := unsafe.Sizeof(admission.Live(nil)); size != 16 {
		t.Errorf("a place is %d bytes, want 16", size)
	}
}

// All are those that were added and not removed, each once, with an id of its own.
func TestAll(t *testing.T) {
	t.Parallel()
	const n = 3000 // more than two chunks of the slab
	r := admission.NewRegistry(0, 0, nil)
	var all []*live
	ids := make(map[uint64]bool)
	for range n {
		l, err := reserve(r, netip.MustParseAddr("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		r.Add(l)
		all = append(all, l)
		ids[l.entry.ID()] = true
		if got := l.entry.Addr(); got.String() != "192.0.2.1" {
			t.Fatalf("the address is %v", got)
		}
	}
	if len(ids) != n {
		t.Errorf("%d ids of %d connections", len(ids), n)
	}
	left := make(map[admission.Live]bool)
	for i, l := range all {
		if i%3 == 0 {
			r.Remove(&l.entry)
		} else {
			left[l] = true
		}
	}
	for l := range r.All() {
		if !left[l] {
			t.Fatal("a connection is listed twice, or after its end")
		}
		delete(left, l)
	}
	if len(left) != 0 {
		t.Errorf("%d connections are not listed", len(left))
	}
	for range r.All() {
		break // the body may end it
	}
	if r.Count() != n-n/3 {
		t.Errorf("Count is %d", r.Count())
	}
}

// Close ends those that match, and no others.
func TestClose(t *testing.T) {
	t.Parallel()
	r := admission.NewRegistry(0, 0, nil)
	connect := func(user string) *live {
		l, err := reserve(r, netip.Addr{})
		if err != nil {
			t.Fatal(err)
		}
		l.who.User = user
		r.Add(l)
		return l
	}
	kim, lee, kimToo := connect("kim"), connect("lee"), connect("kim")
	revoked := maru.NewError(maru.CodeRevoked, "")
	if n := r.Close(auth.Target{User: "kim"}, revoked); n != 2 {
		t.Errorf("%d were closed, want 2", n)
	}
	for _, l := range []*live{kim, kimToo} {
		if len(l.closed) != 1 || l.closed[0] != error(revoked) {
			t.Errorf("closed with %v", l.closed)
		}
	}
	if len(lee.closed) != 0 {
		t.Errorf("another person's connection was closed: %v", lee.closed)
	}
}

// Connections are closed one by one, evenly over the time; a closed one is skipped.
func TestLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const over, n = 9 * time.Second, 50
		r := admission.NewRegistry(0, 0, nil)
		start := time.Now()
		var left []time.Duration
		connect := func(leave func()) *live {
			l, err := reserve(r, netip.Addr{})
			if err != nil {
				t.Fatal(err)
			}
			l.left = leave
			r.Add(l)
			return l
		}
		for range n {
			connect(func() { left = append(left, time.Since(start)) })
		}
		gone := connect(func() { t.Error("it had gone") })
		r.Remove(&gone.entry)
		if err := r.Leave(t.Context(), over); err != nil {
			t.Fatal(err)
		}
		if len(left) != n {
			t.Fatalf("%d of %d have left", len(left), n)
		}
		for i := range n {
			if due := over * time.Duration(i) / n; left[i] < due || left[i] > due+10*time.Millisecond {
				t.Errorf("number %d left after %v, want %v", i, left[i], due)
			}
		}
	})
}

func TestLeaveIsCutShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := admission.NewRegistry(0, 0, nil)
		left := 0
		for range 4 {
			l, _ := reserve(r, netip.Addr{})
			l.left = func() { left++ }
			r.Add(l)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := r.Leave(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || left != 1 {
			t.Errorf("%v, and %d have left", err, left)
		}
	})
}

// Whichever of opening and end is the second releases the connection, once.
func TestStages(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do      func(e *admission.Entry) (release, entered bool)
		release bool
		entered bool
	}{
		"opened, then ended": {func(e *admission.Entry) (bool, bool) {
			if e.Enter(true) || e.Ended() {
				t.Error("it has ended before")
			}
			return e.End()
		}, true, true},
		"opened without entering, then ended": {func(e *admission.Entry) (bool, bool) {
			e.Enter(false)
			return e.End()
		}, true, false},
		"ended while it opens": {func(e *admission.Entry) (bool, bool) {
			if mine, _ := e.End(); mine {
				t.Error("the end releases what is being opened")
			}
			return e.Enter(true), true
		}, true, true},
	} {
		e := new(admission.Entry)
		if release, entered := tt.do(e); release != tt.release || entered != tt.entered || !e.Ended() {
			t.Errorf("%s: release %v, entered %v, ended %v", name, release, entered, e.Ended())
		}
	}
}

// Issue 14 §11: of --max-connections one caller holds at most half.
func TestOneCallerHoldsHalfOfTheConnections(t *testing.T) {
	t.Parallel()
	r := admission.NewRegistry(4, 0, nil)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	kim := shares.Person("kim")
	first, err := r.Reserve(kim, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reserve(kim, b); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Reserve(kim, b); maru.ErrorOf(err).Code != maru.CodeTooManyConnections {
		t.Errorf("more than half: %v", err)
	}
	for range 2 {
		if _, err := r.Reserve(shares.Address(b), b); err != nil {
			t.Errorf("somebody else: %v", err)
		}
	}
	if n := r.Count(); n != 4 {
		t.Errorf("%d are counted, want 4", n)
	}
	l := new(live)
	l.entry.Open(first)
	l.entry.Enter(true)
	l.entry.End()
	r.Remove(&l.entry)
	if _, err := r.Reserve(shares.Address(b), b); maru.ErrorOf(err).Code != maru.CodeTooManyConnections {
		t.Errorf("more than half, by address: %v", err)
	}
	if _, err := r.Reserve(kim, a); err != nil {
		t.Errorf("after one was closed: %v", err)
	}
}
