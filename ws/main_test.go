package ws_test

import (
	"testing"

	"go.uber.org/goleak"
)

// instead reports whether this process was to be something else than a test, and has
// been.
var instead = func() bool { return false }

func TestMain(m *testing.M) {
	if !instead() {
		goleak.VerifyTestMain(m)
	}
}
