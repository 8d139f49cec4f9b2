package bad

import (
	"fmt"
	"os"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/parallel"
)

// maru is the program under test.
var maru string

func TestMain(m *testing.M) {
	parallel.AtLeast(8) // they wait for a server that waits
	dir, err := os.MkdirTemp("", "bad")
	if err == nil {
		err = program.Build("../..", dir, "./cmd/maru")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	maru = dir + "/maru"
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}
