package deploy_test

import (
	"debug/elf"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the Dockerfile builds needs nothing of the system that it runs on.
func TestStatic(t *testing.T) {
	t.Parallel()
	f, err := elf.Open(program(t))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("it is not static: it has a %v", p.Type)
		}
	}
}

// user is the image's.
const user = 65532

// A container, as far as a test can make one: the program alone in an empty file system,
// as the user of the image, serves and drains.
func TestContainer(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	root, err := os.MkdirTemp("", "maru-root")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	binary, err := os.ReadFile(program(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "maru"), binary, 0o755); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(root, "var/lib/maru")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(data, user, user); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/maru", "serve", "--listen", "127.0.0.1:0", "--data", "/var/lib/maru")
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: user, Gid: user}}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	said, url := "", ""
	for b := make([]byte, 1<<10); url == ""; {
		n, err := stdout.Read(b)
		said += string(b[:n])
		url = regexp.MustCompile(`http://\S+:\d+/`).FindString(said)
		if err != nil && url == "" {
			cmd.Wait()
			t.Fatalf("%v, %s", err, stderr.String())
		}
	}
	go io.Copy(io.Discard, stdout)
	for _, path := range []string{"healthz", "readyz", "metrics"} {
		answer, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Errorf("/%s: %s", path, answer.Status)
		}
	}
	// The image's health check, which has no shell either.
	check := exec.CommandContext(t.Context(), "/maru", "healthcheck", "--server", strings.TrimSuffix(url, "/"))
	check.Env, check.Dir, check.SysProcAttr = []string{}, "/", cmd.SysProcAttr
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("healthcheck: %v, %s", err, out)
	}
	answer, err := http.Post(url, "text/plain", strings.NewReader("on disk"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Errorf("POST: %s", answer.Status)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil || !strings.Contains(stderr.String(), "draining") {
		t.Errorf("%v, %s", err, stderr.String())
	}
}
