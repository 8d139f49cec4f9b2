package shares_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"maru.example/maru/internal/shares"
)

var addr = netip.MustParseAddr

// Issue 14 §11: one caller holds at most half, and others get the rest.
func TestOneCallerHoldsHalf(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		flood, same, other shares.Holder // same is the flooding caller, named otherwise
	}{
		"an address":  {shares.Address(addr("192.0.2.1")), shares.Address(addr("::ffff:192.0.2.1")), shares.Address(addr("192.0.2.2"))},
		"IPv6 by /64": {shares.Address(addr("2001:db8::1")), shares.Address(addr("2001:db8::ff:1%eth0")), shares.Address(addr("2001:db8:0:1::1"))},
		"a person":    {shares.Person("kim"), shares.Person("kim"), shares.Person("lee")},
		"an API key":  {shares.APIKey("kim"), shares.APIKey("kim"), shares.Person("kim")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for most, half := range map[int64]int{1: 1, 2: 1, 3: 2, 100: 50} {
				s := shares.New(most, "connections", nil)
				taken := 0
				for s.Take(c.flood, 1) == nil {
					taken++
				}
				if taken != half {
					t.Errorf("one caller took %d of %d, want %d", taken, most, half)
				}
				if err := s.Take(c.same, 1); !errors.Is(err, shares.ErrShare) {
					t.Errorf("the same caller once more, of %d: %v, want ErrShare", most, err)
				}
				for range int(most) - half {
					if err := s.Take(c.other, 1); err != nil {
						t.Errorf("another caller, of %d: %v", most, err)
					}
				}
				if err := s.Take(shares.Person("third"), 1); !errors.Is(err, shares.ErrFull) {
					t.Errorf("beyond all %d: %v", most, err)
				}
				s.Give(c.flood, 1)
				if err := s.Take(c.flood, 1); err != nil {
					t.Errorf("after giving back: %v", err)
				}
			}
		})
	}
}

// The exempt may hold everything; the log then says once what to do.
func TestExemptWithAWarning(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := shares.New(10, "sessions", slog.New(slog.NewTextHandler(&log, nil)))
	var exempt shares.Holder
	for i := range 10 {
		if err := s.Take(exempt, 1); err != nil {
			t.Fatal(err)
		}
		if warned := log.Len() > 0; warned != (i >= 5) {
			t.Errorf("after %d of 10: warned %t", i+1, warned)
		}
	}
	if err := s.Take(exempt, 1); !errors.Is(err, shares.ErrFull) {
		t.Errorf("beyond all: %v", err)
	}
	if said := log.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "--trusted-proxy") || !strings.Contains(said, "sessions") {
		t.Errorf("the log says %q", said)
	}
}

func TestNoMaximum(t *testing.T) {
	t.Parallel()
	s := shares.New(0, "connections", nil)
	if err := s.Take(shares.Person("kim"), 1<<40); err != nil || s.Held() != 0 {
		t.Errorf("without a maximum: %v, held %d", err, s.Held())
	}
	s.Give(shares.Person("kim"), 1<<40)
}

// Whatever is taken and given back: nobody has more than half, the sum is right, and a small
// caller is refused only when all is taken.
func TestAgainstExactCounts(t *testing.T) {
	t.Parallel()
	const most = 1000
	random := rand.New(rand.NewPCG(1, 2))
	s := shares.New(most, "units", nil)
	exact, sum := make(map[string]int64), int64(0)
	for range 20_000 {
		name := fmt.Sprint(int(random.ExpFloat64() * 3)) // few have much
		n := random.Int64N(20) + 1
		if random.IntN(2) == 0 {
			n = min(n, exact[name])
			s.Give(shares.Person(name), n)
			exact[name], sum = exact[name]-n, sum-n
			continue
		}
		err := s.Take(shares.Person(name), n)
		switch {
		case err == nil:
			exact[name], sum = exact[name]+n, sum+n
		case errors.Is(err, shares.ErrFull) && sum+n <= most:
			t.Fatalf("full at %d of %d", sum, most)
		case errors.Is(err, shares.ErrShare) && exact[name]+n <= most/2:
			t.Fatalf("%s has %d of %d, and is refused %d", name, exact[name], most, n)
		}
		if exact[name] > most/2 || sum != s.Held() {
			t.Fatalf("%s has %d of %d; %d in all, want %d", name, exact[name], most, s.Held(), sum)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	s := shares.New(1<<30, "connections", nil)
	h := shares.Person("kim")
	b.ReportAllocs()
	for b.Loop() {
		s.Take(h, 1)
		s.Give(h, 1)
	}
}
