package npm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru/server"
	"maru.example/maru/tests/e2e/program"
)

// patience is how long a test waits for anything before it fails.
const patience = 30 * time.Second

var (
	project string   // a copy of testdata in which the packed client is installed
	packed  []string // the files of the package
)

func TestMain(m *testing.M) {
	if !program.OwnStep() {
		os.Exit(m.Run()) // each test says why it is skipped
	}
	dir, err := os.MkdirTemp("", "maru-npm-")
	if err == nil {
		project = filepath.Join(dir, "project")
		err = errors.Join(installTools(), pack(dir))
	}
	code := 1
	if err == nil {
		code = m.Run()
	} else {
		fmt.Fprintln(os.Stderr, err)
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// run runs a program, for a minute at most, and returns what it wrote to stdout.
func run(dir, name string, args ...string) ([]byte, error) {
	return runWithin(2*patience, dir, name, args...)
}

func runWithin(limit time.Duration, dir, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s%s", err, out, exit.Stderr)
		}
		return nil, fmt.Errorf("%s %v: %w", name, args, err)
	}
	return out, nil
}

// installTools installs the packages of package-lock.json, unless they are there.
func installTools() error {
	lock, err := os.Stat("package-lock.json")
	if err != nil {
		return err
	}
	// npm leaves a copy of the lock file with what it installed.
	if done, err := os.Stat("node_modules/.package-lock.json"); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	_, err = runWithin(20*patience, ".", "npm", "ci", "--ignore-scripts", "--prefer-offline")
	return err
}

// pack packs js/ and installs the packed file in the project, beside the tools.
func pack(dir string) error {
	out, err := run(".", "npm", "pack", "--json", "--pack-destination", dir, "../../js")
	if err != nil {
		return err
	}
	file, err := readPack(out)
	if err != nil {
		return err
	}
	if err := os.CopyFS(project, os.DirFS("testdata")); err != nil {
		return err
	}
	manifest := []byte(`{ "private": true, "type": "module" }`)
	if err := os.WriteFile(filepath.Join(project, "package.json"), manifest, 0o666); err != nil {
		return err
	}
	if _, err := run(project, "npm", "install", "--offline", "--no-audit", "--no-fund", filepath.Join(dir, file)); err != nil {
		return err
	}
	for _, tool := range []string{"@types", "esbuild", "react", "react-dom", "socket.io-client", "vite", "webpack", "ws"} {
		at, err := filepath.Abs(filepath.Join("node_modules", tool))
		if err != nil {
			return err
		}
		if err := os.Symlink(at, filepath.Join(project, "node_modules", tool)); err != nil {
			return err
		}
	}
	return nil
}

// readPack reads the answer of npm pack --json: a list, or since npm 11 an object by the
// package's name. It returns the name of the packed file.
func readPack(answer []byte) (filename string, err error) {
	type result struct {
		Filename string
		Files    []struct{ Path string }
	}
	var list []result
	var byName map[string]result
	if err := json.Unmarshal(answer, &list); err != nil {
		if err := json.Unmarshal(answer, &byName); err != nil {
			return "", fmt.Errorf("npm pack: %w\n%s", err, answer)
		}
	}
	for _, r := range byName {
		list = append(list, r)
	}
	if len(list) != 1 {
		return "", fmt.Errorf("npm pack: %d packages", len(list))
	}
	for _, file := range list[0].Files {
		packed = append(packed, file.Path)
	}
	return list[0].Filename, nil
}

// serve starts a maru server on a free port of loopback, until the test ends.
func serve(t *testing.T) (live *server.Server, url string) {
	t.Helper()
	live, err := server.New(server.Options{Open: true, Loopback: true})
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- live.Serve(l) }()
	t.Cleanup(func() {
		if err := live.Shutdown(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return live, "http://" + l.Addr().String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
