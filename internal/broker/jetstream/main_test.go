package jetstream_test

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The embedded server has one for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
