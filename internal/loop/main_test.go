package loop_test

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"maru.example/maru/internal/loop"
	"maru.example/maru/tests/swarm"
)

func TestMain(m *testing.M) {
	swarm.Main() // the benchmarks' clients
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" { // it takes time
		loop.CheckTurns()
	}
	goleak.VerifyTestMain(m)
}
