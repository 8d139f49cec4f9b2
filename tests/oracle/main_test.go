package oracle

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

var (
	kills   = flag.Int("kills", 4, "how often the server is killed")
	clients = flag.Int("clients", 28, "how many follow")
	events  = flag.Int("events", 10, "how often something happens to a cluster")
	damages = flag.Int("damages", 6, "how many directories are damaged")
	fills   = flag.Int("fills", 2, "how often the disk is filled")
	seed    = flag.Uint64("seed", 0, "of all chances; 0: a new one")
)

var maruPath, natsPath string

func TestMain(m *testing.M) {
	flag.Parse()
	if *seed == 0 {
		*seed = rand.Uint64()
	}
	dir, err := os.MkdirTemp("", "oracle")
	if err == nil {
		err = program.Build("../..", dir, "./cmd/maru", "github.com/nats-io/nats-server/v2")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	maruPath, natsPath = dir+"/maru", dir+"/nats-server"
	code := m.Run()
	os.RemoveAll(dir)
	for _, line := range figures.lines {
		fmt.Println(line)
	}
	if code != 0 {
		fmt.Println("seed", *seed)
	}
	os.Exit(code)
}

// figures are what the tests have done. They are printed at the end.
var figures struct {
	mu    sync.Mutex
	lines []string
}

func state(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	figures.mu.Lock()
	defer figures.mu.Unlock()
	figures.lines = append(figures.lines, t.Name()+": "+fmt.Sprintf(format, args...))
}

// again prints how to repeat a test that has failed.
func again(t *testing.T, flags string, seed uint64) {
	if t.Failed() {
		t.Logf("go test ./tests/oracle -run '^%s$' %s -seed %d", t.Name(), flags, seed)
	}
}
