package loop_test

import (
	"flag"
	"testing"

	"maru.example/maru/internal/loop"
	"maru.example/maru/tests/leaks"
	"maru.example/maru/tests/parallel"
	"maru.example/maru/tests/swarm"
)

func TestMain(m *testing.M) {
	swarm.Main()                                        // the benchmarks' clients
	parallel.AtLeast(4)                                 // they wait for peers and for time
	if flag.Lookup("test.bench").Value.String() == "" { // it takes time
		loop.CheckTurns()
	}
	leaks.Main(m)
}
