package sse_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
)

// Issue 15 §7: the first block has 2 KiB, once, so that a proxy that holds back less passes it on at
// once, with all that it says.
func TestFirstBlockIsPadded(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, w *world) {
		w.publish(t, maru.Text, "before")
		for what, s := range map[string]*stream{"channel": w.open(t, w.channel, "?last=1"), "presence": w.open(t, w.presence, "")} {
			first, rest, _ := strings.Cut(s.raw(), "\n\n")
			if len(first)+len("\n\n") != 2048 || !strings.HasPrefix(first, "retry: ") || !strings.Contains(first, "\ndata: {") {
				t.Errorf("%s: the first block has %d bytes: %s", what, len(first)+2, first)
			}
			if strings.Contains(rest, "\n:") || len(rest) > 200 {
				t.Errorf("%s: then comes %q", what, rest)
			}
		}
	})
}

// Issue 15 §7: comments are as long and as often as asked.
func TestCommentsArePadded(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 2, 3, 4, 4096} {
		for name, loops := range map[string]bool{"goroutines": false, "loops": true} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newPaddedWorld(t, loops, 4*time.Second, size)
					s := w.open(t, w.channel, "")
					time.Sleep(9 * time.Second) // of the bubble's clock
					_, got, _ := strings.Cut(s.raw(), "\n\n")
					one := ":" + strings.Repeat(" ", max(size-3, 0)) + "\n\n"
					if got != one+one {
						t.Errorf("got %q, want two comments of %d bytes", got, len(one))
					}
				})
			})
		}
	}
}
