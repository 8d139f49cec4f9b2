package interop_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// Programs built once for all tests.
var maruPath string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	for _, need := range []struct {
		there  func() error
		remedy string
	}{
		{inPath("node"), "install Node.js 20 or newer"},
		{inPath("curl"), "apt-get install -y curl"},
		{func() error { _, err := os.Stat("node_modules/ws"); return err }, "(cd tests/interop && npm ci)"},
	} {
		if err := need.there(); err != nil {
			fmt.Fprintf(os.Stderr, "%v; run:\n\t%s\n", err, need.remedy)
			return 1
		}
	}
	dir, err := os.MkdirTemp("", "maru-interop-")
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
}

func inPath(name string) func() error {
	return func() error {
		_, err := exec.LookPath(name)
		return err
	}
}
