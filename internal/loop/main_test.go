package loop_test

import (
	"testing"

	"go.uber.org/goleak"

	"maru.example/maru/tests/swarm"
)

func TestMain(m *testing.M) {
	swarm.Main() // the benchmarks' clients
	goleak.VerifyTestMain(m)
}
