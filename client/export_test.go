package client

import (
	"context"
	"net/http"
	"time"

	"maru.example/maru"
)

// Lab is what tests put in the place of the world.
type Lab struct {
	Dial   func(ctx context.Context, header http.Header, to Sink) (Wire, error)
	Random func() float64
	Wall   func() time.Time
	Tick   time.Duration // how often the clock is looked at
	Ping   time.Duration // how long a ping may take

	QueuedBytes int // that wait in a subscription
}

// Wire is a WebSocket, and Sink receives its events.
type (
	Wire interface {
		Send(text []byte) error
		Close()
		Terminate()
	}
	Sink struct{ conn *connection }
)

func (s Sink) Take(message []byte) { s.conn.receive(message) }
func (s Sink) Closed(code int, reason string) {
	s.conn.closed(ending{code: code, word: maru.Code(reason)})
}

// NewIn is New in a lab.
func NewIn(lab Lab, address string, o Options) (*Client, error) {
	return begin(address, o, func(c *Client) {
		if lab.Dial != nil {
			c.dial = func(ctx context.Context, header http.Header, to *connection) (wire, error) {
				return lab.Dial(ctx, header, Sink{to})
			}
		}
		if lab.Random != nil {
			c.random = lab.Random
		}
		if lab.Wall != nil {
			c.wall = lab.Wall
		}
		if lab.QueuedBytes != 0 {
			c.queuedBytes = lab.QueuedBytes
		}
		if lab.Tick != 0 {
			c.times.tick, c.times.ping = lab.Tick, lab.Ping
		}
	})
}

const (
	MaxFlying = maxInFlight
	KnownTime = knownTime
	MaxKeys   = maru.MaxConflatedKeys
)

// Known is of how many keys a subscription knows the newest.
func Known(s *Subscription) int {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return len(s.newest)
}

var (
	Backoff = backoff
	Parse   = func(data []byte) error { _, err := parse(data); return err }
)
