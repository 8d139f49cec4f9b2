package bad

import (
	"syscall"
	"testing"
	"time"
)

// A process that was stopped, as on a sleeping laptop, does not close its clients for the time in
// which it did not run itself.
func TestStopped(t *testing.T) {
	t.Parallel()
	h := serve(t, 0, "--ping-interval", "1s", "--ping-timeout", "1s")
	empty := h.holds()
	one, other := h.enter(), h.enter()
	h.talk(one, other, "before")
	for range 2 {
		signal(t, h, syscall.SIGSTOP)
		one.SendText("into the void")
		<-time.After(3 * time.Second) // longer than a ping and its answer may take
		signal(t, h, syscall.SIGCONT)
		h.talk(one, other, "after")
		<-time.After(1200 * time.Millisecond) // pinged, and answered
		h.talk(other, one, "later")
	}
	h.leavesNothing(empty)
}

func signal(t *testing.T, h *process, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(h.ID(), s); err != nil {
		t.Fatal(err)
	}
}
