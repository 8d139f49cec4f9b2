package jetstream_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// A round costs ten times as much here as in other brokers, and no program links this one.
	flag.Set("rapid.checks", "20")
	// The embedded server starts a goroutine that lives as long as the process.
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
