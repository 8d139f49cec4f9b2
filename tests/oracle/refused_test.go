package oracle

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	// promised is the time in which a server that cannot write refuses publications. slack is for
	// machines that have other things to do than this test.
	promised = time.Second
	slack    = 2 * time.Second
	// mending is the time in which it goes on when it can write again.
	mending = 15 * time.Second
)

// refused publishes until it is refused with a status and a code, and returns how long an answer
// took at most. A full disk may have room for some publications, in files that have been there.
func (s *single) refused(status int, code string) time.Duration {
	s.t.Helper()
	_, longest, g := s.until(func(g given) bool { return g.status != http.StatusOK })
	if g.status != status || g.code != code || longest > promised+slack {
		s.t.Errorf("after %v the answer was %d %s, want %d %s within %v", longest, g.status, g.code, status, code, promised)
	}
	return longest
}

// accepts publishes until it is accepted, and returns after how long.
func (s *single) accepts() time.Duration {
	s.t.Helper()
	took, _, g := s.until(func(g given) bool { return g.status == http.StatusOK })
	if g.status != http.StatusOK || took > mending {
		s.t.Errorf("after %v the answer is %d %s", took, g.status, g.code)
	}
	return took
}

// until publishes in a namespace of its own, with ever new keys, until an answer is the right
// one.
func (s *single) until(right func(given) bool) (took, longest time.Duration, g given) {
	s.t.Helper()
	client := newClient()
	defer client.CloseIdleConnections()
	for began := time.Now(); took < patience && s.ctx.Err() == nil; pause(s.ctx, 5*time.Millisecond) {
		s.probes++
		asked := time.Now()
		var err error
		g, err = post(s.ctx, client, "http://"+s.addr+"/channels/probe", fmt.Sprintf("probe-%d %s", s.probes, strings.Repeat("x", 100_000)))
		longest, took = max(longest, time.Since(asked)), time.Since(began)
		if err != nil || right(g) {
			if err != nil {
				s.t.Error(err)
			}
			return took, longest, g
		}
	}
	return took, longest, g
}
