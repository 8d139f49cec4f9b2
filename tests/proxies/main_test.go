package proxies_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/parallel"
)

var maruPath string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	if !program.OwnStep() {
		return m.Run(), nil // each test says why it is skipped
	}
	parallel.AtLeast(100) // they wait for time-outs
	dir, err := os.MkdirTemp("", "maru-proxies-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := program.Build("../..", dir, "./cmd/maru"); err != nil {
		return 1, err
	}
	maruPath = filepath.Join(dir, "maru")
	defer node.end()
	return m.Run(), nil
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
