package bad

import (
	"testing"
)

// Ten thousand who connect at once are all let in, and all hear what is said,
// in little memory; when they have gone nothing is left of them. Not parallel, for
// the sake of others.
func TestRush(t *testing.T) {
	const n, most = 10_000, 400 << 20
	h := serve(t, 0)
	before := h.holds()
	type arrival struct {
		v   *visitor
		err error
	}
	arrivals := make(chan arrival, n)
	for range n {
		go func() {
			v, err := h.tryEnter()
			arrivals <- arrival{v, err}
		}()
	}
	var inside []*visitor
	for range n {
		a := <-arrivals
		if a.err != nil {
			t.Fatalf("after %d: %v", len(inside), a.err)
		}
		inside = append(inside, a.v)
	}
	inside[0].SendText("hello")
	for i, v := range inside {
		if got := <-v.heard; got != "hello" {
			t.Fatalf("visitor %d heard %q", i, got)
		}
	}
	if peak := h.peak(); peak > most {
		t.Errorf("%d MiB at most", peak>>20)
	} else {
		t.Logf("%d connections, %d MiB at most", n, peak>>20)
	}
	h.leavesNothing(before)
	h.talk(h.enter(), h.enter(), "after")
	if code := h.Stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
