package bad

import (
	"testing"
)

// Ten thousand clients that connect at once are all accepted and all receive a message, in little
// memory. Nothing is left of them after they have closed. Not parallel, because of its load.
func TestRush(t *testing.T) {
	const n, most = 10_000, 400 << 20
	h := serve(t, 0)
	before := h.holds()
	type dial struct {
		v   *client
		err error
	}
	dialled := make(chan dial, n)
	for range n {
		go func() {
			v, err := h.tryEnter()
			dialled <- dial{v, err}
		}()
	}
	var inside []*client
	for range n {
		a := <-dialled
		if a.err != nil {
			t.Fatalf("after %d: %v", len(inside), a.err)
		}
		inside = append(inside, a.v)
	}
	inside[0].SendText("hello")
	for i, v := range inside {
		if got := <-v.received; got != "hello" {
			t.Fatalf("client %d received %q", i, got)
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
