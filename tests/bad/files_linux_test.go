package bad

import (
	"net"
	"strings"
	"testing"
	"time"
)

// Without free file descriptors accepting pauses. This is logged once, costs no CPU, and does not
// affect open connections. With free ones accepting continues, and all waiting clients are served.
func TestOutOfFiles(t *testing.T) {
	t.Parallel()
	const limit = 200
	h := serve(t, limit, "--handshake-timeout", "1m", "--max-connections", "1000") // so that files end first
	empty := h.holds()
	one, other := h.enter(), h.enter()
	h.talk(one, other, "before")
	before := h.files()

	for round := range 2 {
		waiting := h.connect(limit)
		h.until("no file descriptors are left", func() bool { return h.files() >= limit })
		used, since := h.cpu(), time.Now()
		for time.Since(since) < 1500*time.Millisecond { // it tries again after one
			h.talk(one, other, "during")
			<-time.After(50 * time.Millisecond)
		}
		if used := h.cpu() - used; used > 150*time.Millisecond {
			t.Errorf("%v of CPU in 1.5 s of waiting", used)
		}
		late := make(chan int)
		go func() { late <- h.get() }()
		for _, nc := range waiting {
			nc.Close()
		}
		h.until("the files are closed", func() bool { return h.files() <= before+1 })
		h.until("it accepts", func() bool { return h.get() == 200 })
		<-late
		h.talk(one, h.enter(), "after")
		if n := strings.Count(h.Stderr.String(), "cannot take new connections"); n != round+1 {
			t.Errorf("logged %d times in %d shortages", n, round+1)
		}
	}
	h.leavesNothing(empty)
}

// With one file descriptor left sockets are accepted. Plain requests, which need two for a moment,
// are not, and they are not all logged.
func TestOneFileLeft(t *testing.T) {
	t.Parallel()
	const limit = 200
	h := serve(t, limit, "--handshake-timeout", "1m", "--max-connections", "1000") // so that files end first
	empty := h.holds()
	one := h.enter()
	var waiting []net.Conn
	for h.files() < limit-1 {
		// One by one, each accepted before the next. That another file was given back
		// in the same moment hides it: then the time ends the wait.
		files, enough := h.files(), time.Now().Add(2*time.Second)
		waiting = append(waiting, h.connect(1)...)
		h.until("it is accepted", func() bool { return h.files() > files || time.Now().After(enough) })
	}
	for range 3 { // a second each
		if got := h.get(); got != 0 {
			t.Errorf("GET: %d", got)
		}
	}
	h.talk(one, h.enter(), "the last")
	for _, nc := range waiting {
		nc.Close()
	}
	h.until("it answers", func() bool { return h.get() == 200 })
	// One for accepting, and one for passing the connection on.
	if n := strings.Count(h.Stderr.String(), "cannot take new connections"); n > 2 {
		t.Errorf("logged %d times", n)
	}
	h.leavesNothing(empty)
}

// Live connections are limited before the limit on open files is reached, so that plain requests
// are still served. Closing a connection allows another.
func TestAsManyAsFilesAllow(t *testing.T) {
	t.Parallel()
	const limit, free = 150, 150 - 128
	h := serve(t, limit)
	before := h.holds()
	for range 3 {
		var inside []*client
		for range free {
			inside = append(inside, h.enter())
		}
		for range 10 {
			if _, err := h.tryEnter(); status(err) != 503 {
				t.Errorf("one too many: %v", err)
			}
		}
		if got := h.get(); got != 200 {
			t.Errorf("GET: %d", got)
		}
		h.talk(inside[0], inside[free-1], "full")
		for _, v := range inside {
			v.Close(1000, "")
		}
		for _, v := range inside {
			<-v.gone
		}
		h.leavesNothing(before)
	}
}
