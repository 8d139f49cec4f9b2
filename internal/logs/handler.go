package logs

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"
)

const (
	// PerSecond is how many lines of one kind about one address are written in a second. Those
	// without an address count as of one.
	PerSecond = 10
	// MostPerSecond is how many lines of one kind are written in a second.
	MostPerSecond = 5 * PerSecond
)

// mostKinds bounds the memory for kinds. Messages are constants and codes are few, except those of
// an embedding program.
const mostKinds = 256

// Handler passes records on to another slog.Handler, a few of each kind in a second.
type Handler struct {
	next  slog.Handler
	kinds *kinds
}

// New makes a Handler in front of next.
func New(next slog.Handler) *Handler {
	return &Handler{next, &kinds{of: make(map[kind]*second), next: next}}
}

// kind is what lines have in common that are counted together.
type kind struct{ message, code string }

// kinds are the lines of the current seconds.
type kinds struct {
	next slog.Handler // for the lines about what was left out: without attributes and groups of others

	mu sync.Mutex
	of map[kind]*second
}

// second counts the lines of a kind in the second that begins with the first of them.
type second struct {
	level   slog.Level // the highest
	begun   time.Time
	written int
	about   map[netip.Addr]int // the same by address
	left    int
	timer   *time.Timer // at the end, if lines were left out
}

// Enabled implements slog.Handler.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.next.WithAttrs(attrs), h.kinds}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.next.WithGroup(name), h.kinds}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	of, about, errs := kind{message: r.Message}, netip.Addr{}, false
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "code":
			of.code = a.Value.String()
		case "addr":
			about = network(a.Value.String())
		}
		_, is := a.Value.Any().(error)
		errs = errs || is
		return true
	})
	if !h.kinds.allow(of, about, r.Level) {
		return nil
	}
	if errs {
		r = flat(r)
	}
	return h.next.Handle(ctx, r)
}

// network is what one caller has of the addresses: one of IPv4, and of IPv6 the network of 64 bits.
func network(addr string) netip.Addr {
	a, err := netip.ParseAddr(addr)
	if err != nil {
		at, _ := netip.ParseAddrPort(addr)
		a = at.Addr()
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		p, _ := a.Prefix(64)
		a = p.Addr()
	}
	return a
}

// flat is the record with its errors as text, without stack traces.
func flat(r slog.Record) slog.Record {
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if err, is := a.Value.Any().(error); is {
			a = slog.String(a.Key, err.Error())
		}
		out.AddAttrs(a)
		return true
	})
	return out
}

// allow counts a line, and reports whether it is to be written.
func (k *kinds) allow(of kind, about netip.Addr, level slog.Level) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, now := k.of[of], time.Now()
	if s == nil || s.left == 0 && now.Sub(s.begun) >= time.Second {
		if s == nil && len(k.of) >= mostKinds {
			k.forget(now)
		}
		s = &second{begun: now, about: make(map[netip.Addr]int)}
		k.of[of] = s
	}
	s.level = max(s.level, level)
	if s.written < MostPerSecond && s.about[about] < PerSecond {
		s.written++
		s.about[about]++
		return true
	}
	if s.left++; s.left == 1 {
		s.timer = time.AfterFunc(time.Until(s.begun.Add(time.Second)), func() { k.end(of, s) })
	}
	return false
}

// forget removes the kinds whose second is over. k.mu is held.
func (k *kinds) forget(now time.Time) {
	for of, s := range k.of {
		if s.left == 0 && now.Sub(s.begun) >= time.Second {
			delete(k.of, of)
		}
	}
}

// end writes how many lines a second has left out, once.
func (k *kinds) end(of kind, s *second) {
	k.mu.Lock()
	current := k.of[of] == s
	if current {
		delete(k.of, of)
	}
	k.mu.Unlock()
	if !current {
		return
	}
	r := slog.NewRecord(time.Now(), s.level, "log lines left out", 0)
	r.AddAttrs(slog.String("of", of.message))
	if of.code != "" {
		r.AddAttrs(slog.String("code", of.code))
	}
	r.AddAttrs(slog.Int("left_out", s.left), slog.Float64("seconds", 1))
	k.next.Handle(context.Background(), r)
}

// Flush writes what would be written at the end of the current seconds. A stopping server calls it.
func (h *Handler) Flush() {
	left := make(map[kind]*second)
	h.kinds.mu.Lock()
	for of, s := range h.kinds.of {
		if s.left > 0 {
			s.timer.Stop()
			left[of] = s
		}
	}
	h.kinds.mu.Unlock()
	for of, s := range left {
		h.kinds.end(of, s)
	}
}
