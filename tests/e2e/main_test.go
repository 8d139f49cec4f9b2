package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/parallel"
	"maru.example/maru/tests/proxies/proxy"
)

var (
	browser            context.Context // of the one Chromium
	programs           string          // the directory of the built files
	maruPath, echoPath string
)

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
	parallel.AtLeast(4) // they wait for the browser
	chromium, err := findChromium()
	if err != nil {
		return 1, err
	}
	dir, err := os.MkdirTemp("", "maru-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := program.Build("../..", dir, "./cmd/maru", "./examples/echo", "./examples/quotes", "./examples/todo", "./examples/socketio-chat"); err != nil {
		return 1, err
	}
	if err := program.Build("../../examples/accounts", dir, "."); err != nil { // a module of its own
		return 1, err
	}
	programs, maruPath, echoPath = dir, filepath.Join(dir, "maru"), filepath.Join(dir, "echo")

	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium),
		chromedp.UserDataDir(filepath.Join(dir, "chromium")),
		chromedp.Headless,
		chromedp.NoSandbox, // root has none
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors, // for maru's self-signed certificate
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP "+proxy.Name+" 127.0.0.1"),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	defer stop()
	var cancel context.CancelFunc
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil { // starts it
		return 1, fmt.Errorf("start %s: %w", chromium, err)
	}
	code := m.Run()
	chromedp.Cancel(browser) // in good order, and waits
	return code, nil
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium for the tests in a browser; run:\n\tapt-get install -y chromium")
}
