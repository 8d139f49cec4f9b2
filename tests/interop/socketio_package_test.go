package interop_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// The published client and a server that is written with package socketio, over each transport: bytes
// inside of objects, acks both ways, middleware, several handlers, and the handshake; and rooms, where
// each event comes once to each client that it is for, in order, and acks of many come together.
func TestSocketIOPackage(t *testing.T) { t.Parallel(); testSuitesServer(t, "socketio-package.mjs") }

func TestSocketIORooms(t *testing.T) { t.Parallel(); testSuitesServer(t, "socketio-rooms.mjs") }

// testSuitesServer runs a script against a tests/suites of its own, once for each way to connect.
func testSuitesServer(t *testing.T, script string) {
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
			out, err := exec.CommandContext(ctx, "node", script, "http://"+listen, options).CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
