package loop_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"

	"pgregory.net/rapid"
)

func keyed(key string, n, size int) *loop.Message {
	return loop.NewKeyedMessage(frame.Text, []byte(fmt.Sprintf("%s:%d:%s", key, n, strings.Repeat("x", size))), key)
}

// readNewer reads until a message that begins with last, and checks that the values of each
// key only get newer. It returns the last of each.
func readNewer(t *testing.T, peer *peer, last string) map[string]int {
	t.Helper()
	newest := make(map[string]int)
	for {
		ev, err := peer.event()
		if err != nil {
			t.Fatal(err)
		}
		if ev.Op == frame.Ping {
			continue
		}
		parts := strings.SplitN(string(ev.Payload), ":", 3)
		if len(parts) != 3 {
			if string(ev.Payload) != last {
				t.Fatalf("%v %.80q", ev.Op, ev.Payload)
			}
			return newest
		}
		var n int
		fmt.Sscan(parts[1], &n)
		if before, there := newest[parts[0]]; there && n <= before {
			t.Fatalf("%s went from %d to %d", parts[0], before, n)
		}
		newest[parts[0]] = n
		if strings.HasPrefix(string(ev.Payload), last) {
			return newest
		}
	}
}

// A slow member is not closed, however many values there are. When it reads it gets values
// that only get newer and end at the final ones; a reply does not wait behind them. A fast
// member gets each.
func TestLatest(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogBytes, r.options.BacklogMessages, r.options.SendBytes = 1_500_000, 20, 256<<20
		r.narrow = true
		slowly, _, slowPeer := r.conn(loop.Params{})
		r.narrow = false
		reader, _, readerPeer := r.conn(loop.Params{})
		g := r.engine.NewLatestGroup(nil)
		g.Add(slowly)
		g.Add(reader)
		const keys, size = 10, 100_000
		round := 0
		until(t, "much was made stale", func() bool {
			for k := range keys {
				g.Append(keyed(fmt.Sprint("k", k), round, size))
			}
			got := readNewer(t, readerPeer, fmt.Sprintf("k%d:%d:", keys-1, round))
			for k := range keys {
				if got[fmt.Sprint("k", k)] != round {
					t.Fatalf("the reader is at %v in round %d", got, round)
				}
			}
			round++
			return r.engine.Stats().Conflated > 50
		})
		slowly.Send(text("reply"))
		readNewer(t, slowPeer, "reply")
		slowly.Close(1000, "")
		rest := make(map[string]int)
		for {
			ev, err := slowPeer.event()
			if err != nil {
				t.Fatal(err)
			}
			if ev.Op == frame.Close {
				break
			}
			parts := strings.SplitN(string(ev.Payload), ":", 3)
			var n int
			fmt.Sscan(parts[1], &n)
			rest[parts[0]] = n
		}
		for key, n := range rest {
			if n != round-1 {
				t.Errorf("%s ends at %d, want %d", key, n, round-1)
			}
		}
		if len(rest) == 0 {
			t.Error("nothing waited behind the reply")
		}
		if n := r.engine.Stats().Slow.Sum(); n != 0 {
			t.Errorf("%d connections were closed", n)
		}
	})
}

// Messages in the kernel's buffers can no longer be conflated. So for a slow peer these are
// few from the first message on, though a socket's buffers could take megabytes.
func TestLatestIsFresh(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems have no TCP_NOTSENT_LOWAT")
	}
	everyDriver(t, func(t *testing.T, r *rig) {
		if r.options.Goroutines {
			return // its connections have no socket with such an option
		}
		const keys, size = 10, 20_000
		r.options.SendBytes = 256 << 20
		c, _, _ := r.conn(loop.Params{})
		g := r.engine.NewLatestGroup(nil)
		g.Add(c)
		round := 0
		until(t, "much was made stale", func() bool {
			for k := range keys {
				g.Append(keyed(fmt.Sprint("k", k), round, size))
			}
			round++
			return r.engine.Stats().Conflated > 500
		})
		if n := r.engine.Stats().Written; n > 1<<20 {
			t.Errorf("%d bytes have left for a connection that reads nothing", n)
		}
	})
}

// After leaving, no message of the group arrives that had not left the lane before.
func TestLatestLeft(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.SendBytes = 256 << 20
		r.narrow = true
		c, _, peer := r.conn(loop.Params{})
		left, stays := r.engine.NewLatestGroup(nil), r.engine.NewLatestGroup(nil)
		left.Add(c)
		stays.Add(c)
		round := 0
		until(t, "much was made stale", func() bool {
			left.Append(keyed("left", round, 500_000))
			stays.Append(keyed("stays", round, 500_000))
			round++
			return r.engine.Stats().Conflated > 20
		})
		left.Remove(c)
		stays.Append(keyed("stays", round, 0))
		c.Close(1000, "")
		newest := make(map[string]int)
		for {
			ev, err := peer.event()
			if err != nil {
				t.Fatal(err)
			}
			if ev.Op == frame.Close {
				break
			}
			parts := strings.SplitN(string(ev.Payload), ":", 3)
			var n int
			fmt.Sscan(parts[1], &n)
			newest[parts[0]] = n
		}
		if newest["stays"] != round || newest["left"] >= round-1 {
			t.Errorf("of %d rounds the last were %v", round, newest)
		}
	})
}

// A connection with too many keys is closed.
func TestLatestOfTooMany(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.options.BacklogBytes, r.options.SendBytes = 64<<20, 1<<30
		r.options.CloseTimeout = time.Millisecond // the peer does not read
		c, ears, _ := r.conn(loop.Params{})
		g := r.engine.NewLatestGroup(nil)
		g.Add(c)
		n := 0
		until(t, "the connection is slow", func() bool {
			for range 500 {
				g.Append(keyed(fmt.Sprint("k", n), n, 1000))
				n++
			}
			return !c.Open()
		})
		ears.wantEnd(t, 1013, "slow", true)
		if n := r.engine.Stats().Slow.Keys; n != 1 {
			t.Errorf("%+v", r.engine.Stats().Slow)
		}
	})
}

// A lane against an obvious implementation.
func TestLane(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lane := loop.NewLane()
		type item struct{ key, value string }
		var want []item
		for i := range rapid.IntRange(0, 300).Draw(t, "steps") {
			if rapid.IntRange(0, 3).Draw(t, "do") > 0 {
				key, value := fmt.Sprint(rapid.IntRange(0, 8).Draw(t, "key")), fmt.Sprint(i)
				lane.Put(key, value)
				j := 0
				for j < len(want) && want[j].key != key {
					j++
				}
				if j == len(want) {
					want = append(want, item{key, value})
				} else {
					want[j].value = value
				}
			} else if len(want) > 0 {
				if got := lane.Take(); got != want[0].value {
					t.Fatalf("took %s, want %s", got, want[0].value)
				}
				want = want[1:]
			}
			bytes := 0
			for _, w := range want {
				bytes += len(w.value)
			}
			if lane.Len() != len(want) || lane.Bytes() != bytes {
				t.Fatalf("%d messages of %d bytes wait, want %d of %d", lane.Len(), lane.Bytes(), len(want), bytes)
			}
		}
	})
}
