package server

import (
	"context"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/histogram"
)

// way is how a publication comes in.
type way int

const (
	byHTTP way = iota
	byRaw
	byV1
	byProgram
	ways
)

// wayNames are the labels in metrics: the transports of the connections, and two more.
var wayNames = [ways]string{"http", "websocket", "maru.v1", "program"}

// took is how long publications took until they had their place in the history, by way.
type took [ways]histogram.Histogram

// timed is a publication on its way to the broker.
type timed struct {
	took  *histogram.Histogram
	start time.Time
	done  func(maru.Published, error)
}

// finish is the broker's answer. A refused publication has no duration.
func (t *timed) finish(p maru.Published, err error) {
	if err == nil {
		t.took.Observe(time.Since(t.start))
	}
	t.done(p, err)
}

// by returns how a gateway of that way submits publications. It does not wait: it is for loops.
func (s *Server) by(w way) func(string, *maru.Publication, maru.PublishOptions, func(maru.Published, error)) {
	return func(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
		t := &timed{&s.took[w], time.Now(), done}
		s.submit(channel, p, o, t.finish)
	}
}

// publishHTTP is publish for the HTTP API.
func (s *Server) publishHTTP(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions, may func() error) (maru.Published, error) {
	return s.publish(ctx, byHTTP, channel, p, o, may)
}
