package entry

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
)

// Transport is how a live connection came in.
type Transport uint8

const (
	WebSocket      Transport = iota // raw
	Full                            // maru.v1
	Events                          // server-sent events of a channel
	PresenceEvents                  // and of its presence
	Poll                            // a request for history that waits

	transports
)

var transportNames = [transports]string{"websocket", "maru.v1", "sse", "sse presence", "poll"}

func (t Transport) String() string { return transportNames[t] }

// Transports are all of them.
func Transports() (all []Transport) {
	for t := range transports {
		all = append(all, t)
	}
	return all
}

// Connection is what the log says of a live connection.
type Connection struct {
	Transport Transport
	Channel   string
	Addr      netip.Addr
	User      string
}

// Connected counts and logs the beginning of a live connection.
func (d *Door) Connected(c Connection) {
	d.Counts.begin(c.Transport)
	if d.logs() {
		d.Log.LogAttrs(context.Background(), slog.LevelDebug, "connected", c.attrs()...)
	}
}

// Disconnected counts and logs the end of a live connection: its close code, 0 where the
// transport has none, and why.
func (d *Door) Disconnected(c Connection, code int, reason string, lasted time.Duration) {
	d.Counts.end(c.Transport, code, reason)
	if !d.logs() {
		return
	}
	attrs := c.attrs()
	if code != 0 {
		attrs = append(attrs, slog.Int("code", code))
	}
	attrs = append(attrs, slog.String("reason", reason), slog.Duration("duration", lasted))
	d.Log.LogAttrs(context.Background(), slog.LevelDebug, "disconnected", attrs...)
}

// logs is asked first: a connection that is not logged costs the log nothing. Each is
// of interest to who looks for a fault only; to write both lines takes longer than to
// shake hands.
func (d *Door) logs() bool { return d.Log.Enabled(context.Background(), slog.LevelDebug) }

func (c Connection) attrs() []slog.Attr {
	attrs := make([]slog.Attr, 0, 7)
	attrs = append(attrs, slog.String("transport", c.Transport.String()),
		slog.String("channel", c.Channel), slog.String("addr", c.Addr.String()))
	if c.User != "" {
		attrs = append(attrs, slog.String("user", c.User))
	}
	return attrs
}

// Reasons why a connection ended, beside the codes of errors.
const (
	ClientWent = "client went" // without a word that it could have said
	Answered   = "answered"    // a poll

	closed = "closed" // by the client
	lost   = "lost"   // it broke, or the client did not answer a ping or a close
)

// Counts are how many connections there are, and were. The zero value is ready.
type Counts struct {
	of [transports]struct {
		now atomic.Int64

		mu    sync.Mutex
		ended map[string]uint64 // by reason
	}
}

// Now is how many connections of a transport there are.
func (c *Counts) Now(t Transport) int64 { return c.of[t].now.Load() }

// Ended tells how many of a transport have ended, by the reason why: an error's code,
// closed, lost or answered.
func (c *Counts) Ended(t Transport, tell func(reason string, n uint64)) {
	c.of[t].mu.Lock()
	ended := maps.Clone(c.of[t].ended)
	c.of[t].mu.Unlock()
	for reason, n := range ended {
		tell(reason, n)
	}
}

func (c *Counts) begin(t Transport) { c.of[t].now.Add(1) }

func (c *Counts) end(t Transport, code int, reason string) {
	of := &c.of[t]
	of.now.Add(-1)
	of.mu.Lock()
	defer of.mu.Unlock()
	if of.ended == nil {
		of.ended = make(map[string]uint64)
	}
	of.ended[endOf(code, reason)]++
}

// endOf is one word of few, whatever a client gives as its reason.
func endOf(code int, reason string) string {
	switch {
	case reason == Answered, slices.Contains(errorCodes, maru.Code(reason)):
		return reason
	case code == 1006, code == 0 && reason != ClientWent: // RFC 6455 §7.4.1: 1006 is no close frame
		return lost
	}
	return closed
}

var errorCodes = maru.Codes()
