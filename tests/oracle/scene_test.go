package oracle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

const (
	channels   = 4
	publishers = 8
	strangers  = 2
	retained   = 300 // of a channel: a follower that is away for long receives a gap

	// patience bounds the wait for the last messages after all were published.
	patience = 60 * time.Second
)

func channel(i int) string { return fmt.Sprintf("room:%d", i%channels) }

// A scene is a server with publishers, followers and strangers.
type scene struct {
	t         *testing.T
	ctx       context.Context
	cancel    context.CancelFunc
	addr      string
	arguments []string
	server    *program.Process
	truth     *truth
	quiet     []quietChannel
	followers []*follower
	accepted  atomic.Int64 // of the strangers
	probes    int

	publishing, following sync.WaitGroup
	stop                  chan struct{} // ends the publishing
}

// begin starts everything with the history in dir. Publishers expect the error codes of
// refusals, beside those of a server that begins or ends.
func begin(t *testing.T, dir string, followers int, refusals ...string) *scene {
	s := &scene{t: t, addr: program.FreeAddr(t), stop: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	t.Cleanup(s.cancel)
	s.arguments = []string{"serve", "--config", config(t), "--listen", s.addr, "--data", dir,
		"--history", fmt.Sprint(retained), "--history-bytes", fmt.Sprint(4 << 20), "--backlog-messages", "100"}
	s.truth = newTruth(s.ctx, append(refusals, "shutting_down")...)
	s.serve()
	s.quiet = publishQuiet(s.ctx, t, s.addr)
	for i := range publishers {
		s.publishing.Go(func() { publish(s.ctx, t, s.truth, s.addr, i, s.stop) })
	}
	for i := range strangers {
		chance := rand.New(rand.NewPCG(*seed, 1<<32+uint64(i)))
		s.publishing.Go(func() { s.accepted.Add(int64(flood(s.ctx, s.addr, chance, s.stop))) })
	}
	for i := range followers {
		f := newFollower(i, s.addr, s.truth, rand.New(rand.NewPCG(*seed, uint64(i)+1)))
		s.followers = append(s.followers, f)
		s.following.Go(func() { f.follow(s.ctx) })
	}
	return s
}

func (s *scene) serve() {
	s.t.Helper()
	s.server = program.Start(s.t, maru, s.arguments...)
	program.AwaitPort(s.t, s.server, s.addr)
}

// end publishes some more, waits until the followers have received all of it, and compares.
func (s *scene) end() {
	s.t.Helper()
	s.truth.await(s.ctx, s.truth.now()+100)
	close(s.stop)
	s.publishing.Wait()
	s.truth.end()
	for _, q := range s.quiet {
		q.check(s.ctx, s.t)
	}
	late := time.AfterFunc(patience, s.cancel)
	s.following.Wait()
	late.Stop()
	for _, f := range s.followers {
		f.judge(s.t)
	}
	if code := s.server.Stop(s.t); code != 0 {
		s.t.Errorf("exit code %d", code)
	}
}

// figures are what the scene has seen.
func (s *scene) figures() string {
	var seen, gaps, cuts int
	for _, f := range s.followers {
		seen, gaps, cuts = seen+len(f.seen), gaps+len(f.gaps), cuts+f.connections-1
	}
	if seen == 0 || cuts == 0 || s.accepted.Load() == 0 {
		s.t.Error("nothing was tried")
	}
	return fmt.Sprintf("%d acknowledged; %d followers saw %d, were cut %d times and received %d gaps; strangers published %d",
		s.truth.count, len(s.followers), seen, cuts, gaps, s.accepted.Load())
}
