package interop_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// The published client and a server that is written with package socketio: bytes inside of objects,
// acks both ways, middleware, several handlers, and the handshake, over each transport.
func TestSocketIOPackage(t *testing.T) {
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
			out, err := exec.CommandContext(ctx, "node", "socketio-package.mjs", "http://"+listen, options).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
