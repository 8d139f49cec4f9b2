package socketio

import (
	"testing"
	"testing/synctest"
	"time"
)

// A poll waits only where the last packet of an upgrade may be on its way: behind the probe.
func TestAwaitUpgrade(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raising bool
		at      stage
		raised  time.Duration // 0: never
		want    time.Duration
	}{
		"no upgrade":       {false, onPolls, 0, 0},
		"before the probe": {true, onPolls, 0, 0},
		"behind the probe": {true, probed, 0, upgradeGrace},
		"complete":         {true, probed, upgradeGrace / 4, upgradeGrace / 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				conn := &Conn{polls: new(polls), stage: c.at}
				if c.raising {
					conn.polls.raising = make(chan struct{})
				}
				if c.raised > 0 {
					time.AfterFunc(c.raised, func() { conn.raised(onSocket) })
				}
				began := time.Now()
				conn.awaitUpgrade()
				if got := time.Since(began); got != c.want {
					t.Errorf("waited %v, want %v", got, c.want)
				}
			})
		})
	}
}
