package restart

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

var (
	rounds  = flag.Int("rounds", 0, "rounds of each set-up in the table; 0: no table")
	clients = flag.Int("clients", 200, "how many clients there are")
)

var maruPath string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(func() int {
		if !program.OwnStep() {
			return m.Run() // each test says why it is skipped
		}
		dir, err := os.MkdirTemp("", "maru-restart-")
		if err == nil {
			defer os.RemoveAll(dir)
			err = program.Build("../..", dir, "./cmd/maru")
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		maruPath = filepath.Join(dir, "maru")
		return m.Run()
	}())
}
