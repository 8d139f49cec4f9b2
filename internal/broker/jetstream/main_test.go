package jetstream_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The embedded server starts a goroutine that lives as long as the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
