package bad

import (
	"net"
	"strings"
	"testing"
	"time"
)

// Without a file left accepting pauses: it says so once, costs no CPU, and hurts
// nobody who is there; with files it goes on, and all who waited are served. Not
// parallel: what else is busy would count as suffering.
func TestOutOfFiles(t *testing.T) {
	const limit = 200
	h := serve(t, limit, "--handshake-timeout", "1m")
	empty := h.holds()
	one, other := h.enter(), h.enter()
	h.talk(one, other, "before")
	before := h.files()

	for round := range 2 {
		crowd := h.connect(limit)
		h.until("there are no files left", func() bool { return h.files() >= limit })
		used, since := h.cpu(), time.Now()
		for time.Since(since) < 3*time.Second {
			h.talk(one, other, "during")
			<-time.After(50 * time.Millisecond)
		}
		if used := h.cpu() - used; used > 300*time.Millisecond {
			t.Errorf("%v of CPU in 3 s of waiting", used)
		}
		late := make(chan int)
		go func() { late <- h.get() }()
		for _, nc := range crowd {
			nc.Close()
		}
		h.until("files are given back", func() bool { return h.files() <= before+1 })
		h.until("it accepts", func() bool { return h.get() == 200 })
		<-late
		h.talk(one, h.enter(), "after")
		if n := strings.Count(h.Stderr.String(), "cannot take new connections"); n != round+1 {
			t.Errorf("said so %d times, in %d shortages", n, round+1)
		}
	}
	h.leavesNothing(empty)
}

// With one file left sockets are still let in; a plain request, which takes two for
// a moment, is not, and however many come it is not said for each.
func TestOneFileLeft(t *testing.T) {
	t.Parallel()
	const limit = 200
	h := serve(t, limit, "--handshake-timeout", "1m")
	empty := h.holds()
	one := h.enter()
	var crowd []net.Conn
	for h.files() < limit-1 {
		// One by one, each accepted before the next. That another file was given back
		// in the same moment hides it: then the time ends the wait.
		files, enough := h.files(), time.Now().Add(2*time.Second)
		crowd = append(crowd, h.connect(1)...)
		h.until("it is accepted", func() bool { return h.files() > files || time.Now().After(enough) })
	}
	for range 5 { // a second each
		if got := h.get(); got != 0 {
			t.Errorf("GET: %d", got)
		}
	}
	h.talk(one, h.enter(), "the last")
	for _, nc := range crowd {
		nc.Close()
	}
	h.until("it answers", func() bool { return h.get() == 200 })
	// That it could not accept, and that it could not pass on.
	if n := strings.Count(h.Stderr.String(), "cannot take new connections"); n > 2 {
		t.Errorf("said so %d times", n)
	}
	h.leavesNothing(empty)
}

// The limit on files bounds live connections before it is reached, with room left
// for plain requests; who leaves makes room.
func TestAsManyAsFilesAllow(t *testing.T) {
	t.Parallel()
	const limit, room = 150, 150 - 128
	h := serve(t, limit)
	before := h.holds()
	for range 3 {
		var inside []*visitor
		for range room {
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
		h.talk(inside[0], inside[room-1], "full")
		for _, v := range inside {
			v.Close(1000, "")
		}
		for _, v := range inside {
			<-v.gone
		}
		h.leavesNothing(before)
	}
}
