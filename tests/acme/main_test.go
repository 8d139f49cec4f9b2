package acme

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// maruPath is the program, built once for all tests.
var maruPath string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "maru-acme-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = trustTestServers(filepath.Join(dir, "roots.pem"))
	}
	if err == nil {
		err = program.Build("../..", dir, "./cmd/maru")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	maruPath = filepath.Join(dir, "maru")
	os.Setenv("PEBBLE_VA_NOSLEEP", "1") // it waits before it checks a name, to find clients that do not
	return m.Run()
}

// trustTestServers lets this process and its children trust the servers of httptest, which all have
// the same certificate, and nothing else.
func trustTestServers(file string) error {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, roots, 0o600); err != nil {
		return err
	}
	return os.Setenv("SSL_CERT_FILE", file)
}
