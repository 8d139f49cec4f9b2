package followers

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"maru.example/maru/client"
)

// Kind is how a Follower connects.
type Kind string

// The kinds.
const (
	V1       Kind = "maru.v1"      // package client
	Raw      Kind = "raw"          // a WebSocket of a page, from its position
	Events   Kind = "event stream" // an EventSource
	SocketIO Kind = "Socket.IO"    // a WebSocket that begins anew with its position
)

// Follower is one client. Its exported fields are set before Run.
type Follower struct {
	URL     string // http://HOST:PORT
	Channel string
	Recover bool        // from its position
	Header  http.Header // of each request
	// Presence receives each view of the channel's presence; nil: it is not followed. V1 only.
	Presence func(*client.Presence)

	mu     sync.Mutex
	seen   []uint64 // a bit for each number
	lostAt time.Time
	result Result
}

// Result is what a Follower has received, and what its absences were.
type Result struct {
	Got     []int       // numbers, in the order of arrival
	Count   int         // of different numbers
	Backs   []time.Time // when it came back; the first connection is not one
	Longest time.Duration
	Away    time.Duration // in all
	Trouble []string      // gaps, and why it gave up
	GaveUp  bool
	Here    bool // it follows now
}

// Run follows until ctx ends. It is called once.
func (f *Follower) Run(ctx context.Context, k Kind) {
	switch k {
	case V1:
		f.followV1(ctx)
	case Raw:
		f.followRaw(ctx)
	case Events:
		f.followEvents(ctx)
	case SocketIO:
		f.followSocketIO(ctx)
	default:
		f.giveUp("there is no kind " + string(k))
	}
}

// Result returns what there is so far. The slices are not for changing.
func (f *Follower) Result() Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.result
}

// Complete reports whether it follows, and has every number up to the last. One that does not recover
// need not have them.
func (f *Follower) Complete(last int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.result.Here && (!f.Recover || f.result.Count == last+1)
}

func (f *Follower) take(text string) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		f.trouble("it has received " + strconv.Quote(text))
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Got = append(f.result.Got, n)
	for n/64 >= len(f.seen) {
		f.seen = append(f.seen, 0)
	}
	if bit := uint64(1) << (n % 64); f.seen[n/64]&bit == 0 {
		f.seen[n/64] |= bit
		f.result.Count++
	}
}

func (f *Follower) lost() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Here = false
	if f.lostAt.IsZero() {
		f.lostAt = time.Now()
	}
}

func (f *Follower) back() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Here = true
	if !f.lostAt.IsZero() {
		now := time.Now()
		absence := now.Sub(f.lostAt)
		f.result.Longest, f.result.Away, f.lostAt = max(f.result.Longest, absence), f.result.Away+absence, time.Time{}
		f.result.Backs = append(f.result.Backs, now)
	}
}

func (f *Follower) trouble(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.Trouble = append(f.result.Trouble, what)
}

func (f *Follower) giveUp(why string) {
	f.trouble(why)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.result.GaveUp = true
}

func (f *Follower) path() string { return "/channels/" + f.Channel }

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
