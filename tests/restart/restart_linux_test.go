package restart

import (
	"os/exec"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// Issue 15, 20: a graceful restart is never worse than kill -9. The machine does other things meanwhile,
// so one of three attempts has to be within the bounds for absences. Nothing may be lost in any of them,
// and nobody may give up. Event streams wait for 5 to 10 s where nobody may listen.
func TestRestart(t *testing.T) {
	needs(t)
	for _, tt := range []struct {
		setup
		clients       int
		mayFail       bool          // publications meet a closed port
		most, streams time.Duration // absence of a WebSocket, and of an event stream
	}{
		{systemdSocket, 200, false, 2 * time.Second, 2 * time.Second},
		{behindHaproxy, 50, false, 4 * time.Second, 14 * time.Second},
		{bare, 50, true, 4 * time.Second, 14 * time.Second},
		{kubernetes, 50, true, 6 * time.Second, 16 * time.Second},
		{twoServers, 50, false, 2 * time.Second, 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.clients < 200 {
				t.Parallel() // after the one that is measured
			}
			for attempt := 1; ; attempt++ {
				g := round(t, tt.setup, tt.clients, syscall.SIGTERM)
				t.Logf("%+v", g)
				g.check(t, tt.setup)
				if g.failed > 0 && !tt.mayFail {
					t.Errorf("%d publications failed: %s", g.failed, g.firstFailure)
				}
				if g.longest["maru.v1"] < tt.most && g.longest["raw"] < tt.most && g.longest["event stream"] < tt.streams {
					return
				}
				if attempt == 3 {
					t.Fatalf("the longest absence is %v", g.longest)
				}
			}
		})
	}
}

// check reports clients that have lost something or do not come back.
func (g *figures) check(t *testing.T, s setup) {
	t.Helper()
	for _, kind := range kinds {
		if n := g.gaveUp[kind.name]; n > 0 {
			t.Errorf("%d clients of %s gave up", n, kind.name)
		}
		if n := g.missing[kind.name]; n > 0 && !s.apart {
			t.Errorf("%d clients of %s miss publications", n, kind.name)
		}
	}
}

func needs(t *testing.T) {
	t.Helper()
	program.OnlyInOwnStep(t)
	for _, name := range []string{"haproxy", "systemd-socket-activate"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("there is no %s: run scripts/install.sh", name)
		}
	}
}
