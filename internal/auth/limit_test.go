package auth_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

func TestLimiter(t *testing.T) {
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
			l := auth.NewLimiter(c.total, c.perAddr)
			for _, a := range c.enter {
				if err := l.Enter(a); err != nil {
					t.Fatalf("%v: %v", a, err)
				}
			}
			if c.refused.IsValid() {
				err := l.Enter(c.refused)
				if code(err) != maru.CodeTooManyConnections || !strings.Contains(err.Error(), c.says) {
					t.Errorf("%v: got %v, want that it says %q", c.refused, err, c.says)
				}
			}
			if l.Count() != len(c.enter) {
				t.Errorf("Count is %d: the refused one counts", l.Count())
			}
			if c.allowed.IsValid() {
				if err := l.Enter(c.allowed); err != nil {
					t.Errorf("%v: %v", c.allowed, err)
				}
				l.Leave(c.allowed)
			}
			for _, a := range c.enter {
				l.Leave(a)
			}
			if l.Count() != 0 {
				t.Errorf("Count is %d after all left", l.Count())
			}
			if c.refused.IsValid() {
				if err := l.Enter(c.refused); err != nil {
					t.Errorf("after all left: %v", err)
				}
			}
		})
	}
}

// Who has no readable address cannot be told from others, and counts in all only.
func TestLimiterInvalidAddress(t *testing.T) {
	t.Parallel()
	l := auth.NewLimiter(3, 1)
	for range 3 {
		if err := l.Enter(netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Enter(netip.Addr{}); code(err) != maru.CodeTooManyConnections {
		t.Errorf("the fourth of three: %v", err)
	}
	for range 3 {
		l.Leave(netip.Addr{})
	}
	if l.Count() != 0 {
		t.Errorf("Count is %d", l.Count())
	}
}

func TestLimiterNeverExceeds(t *testing.T) {
	t.Parallel()
	const total, perAddr = 20, 3
	l := auth.NewLimiter(total, perAddr)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			a := netip.AddrFrom4([4]byte{192, 0, 2, byte(i % 8)})
			for range 500 {
				if l.Enter(a) == nil {
					if n := l.Count(); n < 1 || n > total {
						t.Errorf("Count is %d", n)
					}
					l.Leave(a)
				}
			}
		})
	}
	wg.Wait()
	if l.Count() != 0 {
		t.Errorf("Count is %d", l.Count())
	}
}

// Where addresses are not limited, a connection costs the limiter nothing.
func TestLimiterWithoutAddressesKeepsNothing(t *testing.T) {
	l := auth.NewLimiter(0, 0)
	a := netip.MustParseAddr("2001:db8::1")
	if n := testing.AllocsPerRun(1000, func() { l.Enter(a); a = a.Next() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
