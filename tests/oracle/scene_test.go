package oracle

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	channels   = 4
	publishers = 8
	strangers  = 2
	retained   = 300 // of a channel: a follower that is away for long receives a gap
	backlog    = 100 // messages that may wait for a slow follower

	retainedBytes = 4 << 20 // of the namespace: more than is published in it

	// patience bounds the wait for the last messages after all were published.
	patience = 60 * time.Second
)

func channel(i int) string { return fmt.Sprintf("room:%d", i%channels) }

// A scene is servers with publishers, followers and strangers. All servers have the same channels.
type scene struct {
	t         *testing.T
	ctx       context.Context
	cancel    context.CancelFunc
	addrs     []string
	truth     *truth
	quiet     []quietChannel
	followers []*follower
	accepted  atomic.Int64 // of the strangers

	publishing, following sync.WaitGroup
	stop                  chan struct{} // ends the publishing
}

// newScene is an empty scene. Publishers expect the error codes of refusals, beside those of a
// server that begins or ends.
func newScene(t *testing.T, addrs []string, refusals ...string) *scene {
	s := &scene{t: t, addrs: addrs, stop: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	t.Cleanup(s.cancel)
	s.truth = newTruth(s.ctx, append(refusals, "shutting_down")...)
	return s
}

// A pick is the address of one of the servers, by chance.
type pick func() string

func (s *scene) pick(chance *rand.Rand) pick {
	return func() string { return s.addrs[chance.IntN(len(s.addrs))] }
}

// populate lets everything begin, on servers that run. After each publication a publisher waits for
// the time of pace.
func (s *scene) populate(followers int, pace time.Duration) {
	s.t.Helper()
	s.quiet = publishQuiet(s.ctx, s.t, s.addrs[0])
	for i := range publishers {
		chance := rand.New(rand.NewPCG(*seed, 2<<32+uint64(i)))
		s.publishing.Go(func() { publish(s.ctx, s.t, s.truth, s.pick(chance), i, pace, s.stop) })
	}
	for i := range strangers {
		chance := rand.New(rand.NewPCG(*seed, 1<<32+uint64(i)))
		s.publishing.Go(func() { s.accepted.Add(int64(flood(s.ctx, s.pick(chance), chance, pace, s.stop))) })
	}
	for i := range followers {
		f := newFollower(i, s.addrs, s.truth, rand.New(rand.NewPCG(*seed, uint64(i)+1)))
		s.followers = append(s.followers, f)
		s.following.Go(func() { f.follow(s.ctx) })
	}
}

// goesOn waits until n more publications were acknowledged.
func (s *scene) goesOn(n int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	before := s.truth.now()
	if s.truth.await(ctx, before+n); ctx.Err() != nil {
		s.t.Fatalf("%d of %d more publications were acknowledged within %v", s.truth.now()-before, n, patience)
	}
}

// checkQuiet checks one of the quiet channels, by chance.
func (s *scene) checkQuiet(chance *rand.Rand) {
	s.t.Helper()
	s.quiet[chance.IntN(len(s.quiet))].check(s, s.pick(chance))
}

// end publishes some more, waits until the followers have received all of it, and compares.
func (s *scene) end() {
	s.t.Helper()
	s.goesOn(100)
	close(s.stop)
	s.publishing.Wait()
	s.truth.end()
	for _, addr := range s.addrs {
		for _, q := range s.quiet {
			q.check(s, func() string { return addr })
		}
		for i := range channels {
			s.checkRetained(addr, channel(i))
		}
	}
	late := time.AfterFunc(patience, s.cancel)
	s.following.Wait()
	late.Stop()
	for _, f := range s.followers {
		f.judge(s.t)
	}
}

// checkRetained wants that the newest of what was acknowledged is retained.
func (s *scene) checkRetained(addr, channel string) {
	s.t.Helper()
	var h history
	s.get(func() string { return addr }, "/channels/"+channel+"?limit=1000", &h)
	got := make(map[uint64]string)
	for _, p := range h.Publications {
		got[p.Offset] = p.Data
	}
	offsets := slices.Sorted(maps.Keys(s.truth.acked[channel]))
	for _, offset := range offsets[max(0, len(offsets)-retained):] {
		if payload := s.truth.acked[channel][offset]; got[offset] != payload {
			s.t.Errorf("%s of %s: %d is %q, want %q", channel, addr, offset, got[offset], payload)
		}
	}
}

// get asks one of the servers, until one answers something that is not expected to pass.
func (s *scene) get(at pick, path string, answer any) {
	s.t.Helper()
	s.answered(path, func() (given, error) { return get(s.ctx, "http://"+at()+path, answer) })
}

// answered repeats what fails or is refused, as publishers do, for as long as patience lasts.
func (s *scene) answered(what string, ask func() (given, error)) given {
	s.t.Helper()
	for late := time.Now().Add(patience); ; pause(s.ctx, 20*time.Millisecond) {
		g, err := ask()
		if err == nil && g.status == http.StatusOK {
			return g
		}
		if time.Now().After(late) || s.ctx.Err() != nil || err == nil && !s.truth.refusals[g.code] {
			s.t.Errorf("%s: %d %s, %v", what, g.status, g.code, err)
			return g
		}
	}
}

// figures are what the scene has seen.
func (s *scene) figures() string {
	var seen, gaps, cuts, resumed int
	for _, f := range s.followers {
		seen, gaps, cuts, resumed = seen+len(f.seen), gaps+len(f.gaps), cuts+f.connections-1, resumed+f.resumed
	}
	few := len(s.followers) < 16 // of these only one or two are of Socket.IO, and may find a gap each time
	if seen == 0 || cuts == 0 || resumed == 0 && !few || s.accepted.Load() == 0 {
		s.t.Error("nothing was tried")
	}
	return fmt.Sprintf("%d acknowledged; %d followers saw %d, were cut %d times, received %d gaps, and went on in %d sessions of Socket.IO; strangers published %d",
		s.truth.count, len(s.followers), seen, cuts, gaps, resumed, s.accepted.Load())
}
