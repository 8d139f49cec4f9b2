package socketio_test

import (
	"os"
	"testing"

	"maru.example/maru/tests/leaks"
)

// benchServer is the server of BenchmarkRooms, which runs in a process of its own; nil where there is
// no such benchmark.
var benchServer func(kind string)

func TestMain(m *testing.M) {
	if kind := os.Getenv("MARU_BENCH_ROOMS"); kind != "" && benchServer != nil {
		benchServer(kind)
		return
	}
	leaks.Main(m)
}
