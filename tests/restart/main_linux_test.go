package restart

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

var (
	rounds  = flag.Int("rounds", 0, "rounds of each set-up in the table; 0: no table")
	clients = flag.Int("clients", 200, "how many clients there are")

	nodesClients = flag.Int("nodes-clients", 150, "how many clients a cluster has")
	nodesDrain   = flag.Duration("nodes-drain", 3*time.Second, "the drain of a node of a cluster; haproxy notices it after half a second")
)

var maruPath, natsPath string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		if !program.OwnStep() {
			return m.Run() // each test says why it is skipped
		}
		dir, err := os.MkdirTemp("", "maru-restart-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = program.Build("../..", dir, "./cmd/maru", "github.com/nats-io/nats-server/v2")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		maruPath, natsPath = filepath.Join(dir, "maru"), filepath.Join(dir, "nats-server")
		return m.Run()
	}())
}
