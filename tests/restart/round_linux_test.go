package restart

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/tests/followers"
)

// figures are what one restart has cost.
type figures struct {
	published, failed int64
	firstFailure      string
	longest, away     map[followers.Kind]time.Duration // away is the mean of its clients
	gaveUp, missing   map[followers.Kind]int           // clients
}

const channel = "restart"

const (
	publishEvery = 50 * time.Millisecond
	settleTime   = 500 * time.Millisecond // of publishing before and after
	returnTime   = 40 * time.Second       // for the last client to come back
)

// kinds are the ways in which clients follow.
var kinds = []struct {
	name  followers.Kind
	share int // of ten
}{{followers.V1, 6}, {followers.Raw, 2}, {followers.Events, 2}}

// round restarts the server of a set-up once under clients and publishers.
func round(t *testing.T, s setup, clients int, how syscall.Signal) figures {
	t.Helper()
	stage := s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	all := make(map[followers.Kind][]*followers.Follower)
	for _, kind := range kinds {
		for range clients * kind.share / 10 {
			f := &followers.Follower{URL: stage.url, Channel: channel, Recover: !s.apart}
			all[kind.name] = append(all[kind.name], f)
			running.Go(func() { f.Run(ctx, kind.name) })
		}
	}
	p := begin(t, stage.url, all)
	publishing, stop := context.WithCancel(ctx)
	defer stop()
	var publishers sync.WaitGroup
	for _, kept := range []bool{true, false} {
		publishers.Go(func() { p.run(publishing, kept) })
	}
	pause(ctx, settleTime)
	stage.restart(how)
	pause(ctx, settleTime)
	await(t, "publications succeed again", p.succeeds())
	await(t, "sockets are back", func() bool {
		return everybody(all, func(f *followers.Follower) bool { r := f.Result(); return r.Here || r.GaveUp })
	})
	pause(ctx, settleTime)
	stop()
	publishers.Wait()
	return p.figures(all, p.complete(all))
}

// begin waits until everybody follows: until then 0 is published.
func begin(t *testing.T, url string, all map[followers.Kind][]*followers.Follower) *publisher {
	t.Helper()
	p := &publisher{url: url + "/channels/" + channel}
	await(t, "all clients follow", func() bool {
		p.post(http.DefaultClient, 0)
		return everybody(all, func(f *followers.Follower) bool { return f.Result().Count > 0 })
	})
	if p.failed.Swap(0) > 0 {
		t.Fatal("publications fail before the restart: ", p.why.Load())
	}
	return p
}

// complete waits until everybody has everything or has given up, and returns the last number.
func (p *publisher) complete(all map[followers.Kind][]*followers.Follower) (last int) {
	last = int(p.last.Load())
	patience := time.After(returnTime)
	for late := false; !late && !everybody(all, func(f *followers.Follower) bool { return f.Complete(last) || f.Result().GaveUp }); {
		select {
		case <-patience:
			late = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	return last
}

func (p *publisher) figures(all map[followers.Kind][]*followers.Follower, last int) figures {
	g := figures{published: p.last.Load(), failed: p.failed.Load(), longest: make(map[followers.Kind]time.Duration), away: make(map[followers.Kind]time.Duration), gaveUp: make(map[followers.Kind]int), missing: make(map[followers.Kind]int)}
	if why, ok := p.why.Load().(string); ok {
		g.firstFailure = why
	}
	for kind, some := range all {
		for _, f := range some {
			r := f.Result()
			g.longest[kind] = max(g.longest[kind], r.Longest)
			g.away[kind] += r.Away / time.Duration(len(some))
			if r.GaveUp {
				g.gaveUp[kind]++
			} else if !f.Complete(last) {
				g.missing[kind]++
			}
		}
	}
	return g
}

func everybody(all map[followers.Kind][]*followers.Follower, is func(*followers.Follower) bool) bool {
	for _, some := range all {
		for _, f := range some {
			if !is(f) {
				return false
			}
		}
	}
	return true
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for late := time.After(returnTime); !is(); {
		select {
		case <-late:
			t.Fatalf("not within %v: %s", returnTime, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// publisher publishes the numbers from 1, each until it is acknowledged.
type publisher struct {
	url                string
	every              time.Duration // between two publications; 0: publishEvery
	last, failed, done atomic.Int64
	why                atomic.Value // string: the first failure
}

// run publishes until ctx ends, and completes what it has begun.
func (p *publisher) run(ctx context.Context, kept bool) {
	transport := &http.Transport{DisableKeepAlives: !kept}
	defer transport.CloseIdleConnections()
	c := &http.Client{Transport: transport, Timeout: returnTime}
	for ctx.Err() == nil {
		for n := p.last.Add(1); !p.post(c, n); {
			time.Sleep(publishEvery)
		}
		pause(ctx, cmp.Or(p.every, publishEvery))
	}
}

// post reports whether the number was acknowledged. It has no idempotency key, with which net/http would
// hide a failure by repeating it.
func (p *publisher) post(c *http.Client, n int64) bool {
	answer, err := c.Post(p.url, "text/plain", strings.NewReader(strconv.FormatInt(n, 10)))
	why := ""
	if err != nil {
		why = err.Error()
	} else {
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			why = answer.Status
		}
	}
	if why != "" {
		p.why.CompareAndSwap(nil, why)
		p.failed.Add(1)
		return false
	}
	p.done.Add(1)
	return true
}

// succeeds returns a function that reports whether more was acknowledged since.
func (p *publisher) succeeds() func() bool {
	before := p.done.Load()
	return func() bool { return p.done.Load() > before+2 }
}
