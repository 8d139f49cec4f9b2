package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A view is what one node sees of another, "n", whose signs come every second.
type view struct {
	*peers
	ours, theirs bool // the connections work
	gone         []departure
}

// pass lets time pass, in tenths of a second; n's beats come half a second after ours.
func (v *view) pass(d time.Duration) {
	for range d / (100 * time.Millisecond) {
		time.Sleep(100 * time.Millisecond)
		switch tenth := time.Now().UnixMilli() / 100 % 10; {
		case tenth == 0:
			if v.ours {
				v.counted(time.Now())
			}
			v.gone = append(v.gone, v.left()...)
		case tenth == 5 && v.ours && v.theirs:
			v.sign("n")
		}
	}
}

// When a node is no longer alive to another one: not before it was silent for five beats, and not
// because the watching node itself was cut off.
func TestSigns(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		happens func(*view)
		gone    int
		alive   bool
	}{
		"both are well":                              {func(v *view) { v.pass(time.Minute) }, 0, true},
		"it is silent for four seconds":              {func(v *view) { v.theirs = false; v.pass(4 * time.Second); v.theirs = true; v.pass(time.Minute) }, 0, true},
		"it dies":                                    {func(v *view) { v.theirs = false; v.pass(7 * time.Second) }, 1, false},
		"it dies and comes back":                     {func(v *view) { v.theirs = false; v.pass(7 * time.Second); v.theirs = true; v.pass(time.Minute) }, 1, true},
		"it leaves, and a late sign changes nothing": {func(v *view) { v.bye("n"); v.sign("n"); v.theirs = false; v.pass(time.Second) }, 1, false},
		"it dies while we are cut off": {func(v *view) {
			v.ours, v.theirs = false, false
			v.pass(time.Minute)
			v.ours = true
			v.pass(4 * time.Second)
		}, 0, true},
		"which is noticed later": {func(v *view) {
			v.ours, v.theirs = false, false
			v.pass(time.Minute)
			v.ours = true
			v.pass(7 * time.Second)
		}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := &view{peers: newPeers(nil, "me", time.Second), ours: true, theirs: true}
				v.pass(10 * time.Second)
				c.happens(v)
				if alive := slices.Contains(v.present(), "n"); len(v.gone) != c.gone || alive != c.alive {
					t.Errorf("reported %v; alive: %v", v.gone, alive)
				}
			})
		})
	}
}

// However long our own connection is broken, the others are not reported.
func TestSignsWithoutConnection(t *testing.T) {
	t.Parallel()
	for cut := 100 * time.Millisecond; cut < 12*time.Second; cut += 100 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			v := &view{peers: newPeers(nil, "me", time.Second), ours: true, theirs: true}
			v.pass(10 * time.Second)
			for range 10 { // at each phase
				v.ours = false
				v.pass(cut)
				v.ours = true
				v.pass(10*time.Second + 100*time.Millisecond)
			}
			if len(v.gone) != 0 {
				t.Errorf("after %v: %v", cut, v.gone)
			}
		})
	}
}
