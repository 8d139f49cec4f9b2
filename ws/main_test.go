package ws_test

import (
	"testing"

	"maru.example/maru/tests/leaks"
	"maru.example/maru/tests/parallel"
)

// instead reports whether this process was to be something else than a test, and has
// been.
var instead = func() bool { return false }

func TestMain(m *testing.M) {
	if !instead() {
		parallel.AtLeast(8) // handshakes that never end
		leaks.Main(m)
	}
}
