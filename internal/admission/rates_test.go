package admission_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
)

func TestRates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rates admission.Rates
		kim, home, next := auth.Identity{User: "kim"}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		if rates.Publish(kim, home, nil) != nil || rates.Connect(kim, home) != nil {
			t.Error("limited without limits")
		}
		rates.Set(admission.RateLimits{Publish: admission.RateOf(2), Connect: admission.RateOf(0.5)})
		many := func(who auth.Identity, addr netip.Addr) (n int) {
			for rates.Publish(who, addr, nil) == nil && n < 100 {
				n++
			}
			return n
		}
		if n := many(kim, home); n != 4 {
			t.Errorf("%d at once, want 4", n)
		}
		if n := many(kim, next); n != 0 {
			t.Errorf("%d more from another address", n)
		}
		if n := many(auth.Identity{}, home); n != 4 {
			t.Errorf("an address: %d", n)
		}
		if n := many(auth.Identity{}, next); n != 4 {
			t.Errorf("another address: %d", n)
		}
		if n := many(auth.Identity{Grant: &auth.Grant{Key: "k"}}, home); n != 100 {
			t.Errorf("a back end: %d", n)
		}
		time.Sleep(time.Second)
		if n := many(kim, home); n != 2 {
			t.Errorf("%d after a second, want 2", n)
		}
		time.Sleep(time.Hour)
		if n := many(kim, home); n != 4 {
			t.Errorf("%d after an hour, want 4", n)
		}
		if rates.Connect(kim, home) != nil || maru.ErrorOf(rates.Connect(kim, home)).Code != maru.CodeRateLimited {
			t.Error("connections are not limited")
		}
		time.Sleep(2 * time.Second)
		if rates.Connect(kim, home) != nil {
			t.Error("limited for longer than its rate")
		}

		rates.Set(admission.RateLimits{PublishPerConnection: admission.RateOf(1)})
		var a, b admission.Pace
		n := 0
		for rates.Publish(kim, home, &a) == nil {
			n++
		}
		if n != 2 || rates.Publish(kim, home, &b) != nil {
			t.Errorf("%d on one connection, want 2, and another has its own", n)
		}
	})
}

// The entries of people that connect once are removed.
func TestRatesForget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rates admission.Rates
		rates.Set(admission.RateLimits{Publish: admission.RateOf(1)})
		for i := range 10_000 {
			rates.Publish(auth.Identity{}, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), nil)
			time.Sleep(time.Millisecond)
		}
		if n := admission.KeptPaces(&rates); n > 4096 {
			t.Errorf("%d are kept, of which 1,000 are a second old", n)
		}
	})
}

// Issue 14 §12: remote calls have a rate of their own, by person.
func TestCallRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var rates admission.Rates
		kim, home := auth.Identity{User: "kim"}, netip.MustParseAddr("192.0.2.1")
		rates.Set(admission.RateLimits{Publish: admission.RateOf(1000), Call: admission.RateOf(2)})
		for who, want := range map[string]int{"kim": 4, "": 4, "key": 100} {
			id := auth.Identity{User: who}
			if who == "key" {
				id = auth.Identity{Grant: &auth.Grant{Key: "k"}}
			}
			n := 0
			for n < 100 && rates.Call(id, home) == nil {
				n++
			}
			if n != want {
				t.Errorf("%q: %d calls at once, want %d", who, n, want)
			}
		}
		if err := rates.Call(kim, home); maru.ErrorOf(err).Code != maru.CodeRateLimited {
			t.Errorf("%v, want %s", err, maru.CodeRateLimited)
		}
		if err := rates.Publish(kim, home, nil); err != nil {
			t.Errorf("calls count as publications: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		if err := rates.Call(kim, home); err != nil {
			t.Errorf("after half a second: %v", err)
		}
	})
}
