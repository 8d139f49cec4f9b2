package restart

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// figures are what one restart has cost.
type figures struct {
	published, failed int64
	firstFailure      string
	longest, away     map[string]time.Duration // by kind; away is the mean of its clients
	gaveUp, missing   map[string]int           // clients by kind
}

const (
	publishEvery = 50 * time.Millisecond
	settleTime   = 500 * time.Millisecond // of publishing before and after
	returnTime   = 40 * time.Second       // for the last client to come back
)

// round restarts the server of a set-up once under clients and publishers.
func round(t *testing.T, s setup, clients int, how syscall.Signal) figures {
	t.Helper()
	stage := s.start(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	all := make(map[string][]*follower)
	for _, kind := range kinds {
		for range clients * kind.share / 10 {
			f := &follower{url: stage.url, recover: !s.apart, got: make(map[int]bool)}
			all[kind.name] = append(all[kind.name], f)
			running.Go(func() { kind.follow(f, ctx) })
		}
	}
	p := &publisher{url: stage.url + channel}
	await(t, "all clients follow", func() bool {
		p.post(http.DefaultClient, 0) // everybody has got it, so everybody follows
		return everybody(all, func(f *follower) bool { f.mu.Lock(); defer f.mu.Unlock(); return f.got[0] })
	})
	if p.failed.Swap(0) > 0 {
		t.Fatal("publications fail before the restart")
	}

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
		return everybody(all, func(f *follower) bool { f.mu.Lock(); defer f.mu.Unlock(); return f.lostAt.IsZero() || f.gaveUp != "" })
	})
	pause(ctx, settleTime)
	stop()
	publishers.Wait()

	last := int(p.last.Load())
	patience := time.After(returnTime)
	for late := false; !late && !everybody(all, func(f *follower) bool { return f.complete(last) || f.gaveUp != "" }); {
		select {
		case <-patience:
			late = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	return p.figures(all, last)
}

func (p *publisher) figures(all map[string][]*follower, last int) figures {
	g := figures{published: p.last.Load(), failed: p.failed.Load(), longest: make(map[string]time.Duration), away: make(map[string]time.Duration), gaveUp: make(map[string]int), missing: make(map[string]int)}
	if why, ok := p.why.Load().(string); ok {
		g.firstFailure = why
	}
	for kind, followers := range all {
		for _, f := range followers {
			complete := f.complete(last)
			f.mu.Lock()
			g.longest[kind] = max(g.longest[kind], f.longest)
			g.away[kind] += f.away / time.Duration(len(followers))
			if f.gaveUp != "" {
				g.gaveUp[kind]++
			} else if !complete {
				g.missing[kind]++
			}
			f.mu.Unlock()
		}
	}
	return g
}

func everybody(all map[string][]*follower, is func(*follower) bool) bool {
	for _, followers := range all {
		for _, f := range followers {
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

// publisher publishes the numbers from 1, each until it is acknowledged.
type publisher struct {
	url                string
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
		pause(ctx, publishEvery)
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
