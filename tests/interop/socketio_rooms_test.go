package interop_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// Issue 16: the published client in rooms of package socketio: each event comes once to each client it
// is for, in order, and acks of many come together.
func TestSocketIORooms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := program.Build("../..", dir, "./tests/suites"); err != nil {
		t.Fatal(err)
	}
	listen := program.FreeAddr(t)
	program.AwaitPort(t, program.Start(t, filepath.Join(dir, "suites"), "-listen", listen, "-ping", "25s"), listen)
	for name, options := range socketIOWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			out, err := exec.CommandContext(ctx, "node", "socketio-rooms.mjs", "http://"+listen, options).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
