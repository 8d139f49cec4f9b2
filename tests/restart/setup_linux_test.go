package restart

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// stage is a running server.
type stage struct {
	url string
	// restart ends the server by a signal, and lets the next one start as the set-up does it.
	restart func(how syscall.Signal)
}

// setup is a way to run the server.
type setup struct {
	name  string
	start func(t *testing.T) *stage
	apart bool // two servers, which have histories of their own
}

var (
	bare          = setup{name: "bare", start: startBare}
	systemdSocket = setup{name: "systemd socket", start: startSystemd}
	behindHaproxy = setup{name: "haproxy", start: startHaproxy}
	kubernetes    = setup{name: "Kubernetes (played)", start: startKubernetes}
	twoServers    = setup{name: "one of two servers, --drain 3s", start: startTwo, apart: true}
)

// server starts maru at an address, with its history on disk.
func server(t *testing.T, addr, data string, args ...string) *program.Process {
	t.Helper()
	p := program.Start(t, maruPath, append(serveArgs(data), append(args, "--listen", addr)...)...)
	p.Stdout.Await(t, "curl")
	return p
}

func serveArgs(data string) []string {
	return []string{"serve", "--data", data, "--history", "20000", "--log-level", "warn"}
}

// end ends a process and waits for its end.
func end(t *testing.T, p *program.Process, how syscall.Signal) {
	t.Helper()
	if how == syscall.SIGKILL {
		p.Kill(t)
		return
	}
	p.Terminate()
	if code := p.Wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// startBare: the supervisor starts the next process when the old one has ended.
func startBare(t *testing.T) *stage {
	addr, data := program.FreeAddr(t), t.TempDir()
	p := server(t, addr, data)
	return &stage{"http://" + addr, func(how syscall.Signal) {
		end(t, p, how)
		p = server(t, addr, data)
	}}
}

// startSystemd: systemd-socket-activate opens the socket as systemd does, and a loop in its place holds it
// while it starts one process after the other.
func startSystemd(t *testing.T) *stage {
	dir, addr := t.TempDir(), program.FreeAddr(t)
	stop, pid := filepath.Join(dir, "stop"), filepath.Join(dir, "pid")
	loop := fmt.Sprintf(`while [ ! -e %s ]; do sh -c 'echo $$ >%s.new; mv %[2]s.new %[2]s; LISTEN_PID=$$ exec "$0" "$@"' "$0" "$@"; done`, stop, pid)
	words := append([]string{"--listen", addr, "sh", "-c", loop, maruPath}, serveArgs(filepath.Join(dir, "data"))...)
	holder := program.StartCommand(t, exec.Command("systemd-socket-activate", words...))
	holder.Stderr.Await(t, "Listening")
	kill := func(how syscall.Signal) {
		text, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, how); err != nil {
			t.Fatal(err)
		}
	}
	awaitReady(t, "http://"+addr) // the first connection starts the first process
	t.Cleanup(func() {
		if err := os.WriteFile(stop, nil, 0o600); err != nil {
			t.Error(err)
		}
		kill(syscall.SIGKILL)
		holder.Wait(t)
	})
	return &stage{"http://" + addr, kill}
}

// startHaproxy is startBare behind haproxy, which checks whether it is ready.
func startHaproxy(t *testing.T) *stage {
	addr, data := program.FreeAddr(t), t.TempDir()
	p := server(t, addr, data)
	url, _ := haproxy(t, addr)
	return &stage{url, func(how syscall.Signal) {
		end(t, p, how)
		p = server(t, addr, data)
	}}
}

// startKubernetes plays a Deployment with one replica and strategy Recreate, and its Service: the next
// pod starts at another address when the old one has ended, at a rollout (SIGTERM) or because it was
// deleted by force (kill -9). Probes come each half second, and a pod starts at once: a real cluster
// takes longer.
func startKubernetes(t *testing.T) *stage {
	addrs, data := [2]string{program.FreeAddr(t), program.FreeAddr(t)}, t.TempDir()
	p := server(t, addrs[0], data)
	now := 0
	url, balancer := haproxy(t, addrs[:]...)
	balancer.Stderr.Await(t, "Server b/m1 is DOWN") // it takes servers for ready before the first check
	return &stage{url, func(how syscall.Signal) {
		end(t, p, how)
		now = 1 - now
		p = server(t, addrs[now], data)
	}}
}

// startTwo: one of two servers behind haproxy ends for good.
func startTwo(t *testing.T) *stage {
	one, other := program.FreeAddr(t), program.FreeAddr(t)
	p := server(t, one, t.TempDir(), "--drain", "3s")
	server(t, other, t.TempDir(), "--drain", "3s")
	url, _ := haproxy(t, one, other)
	return &stage{url, func(how syscall.Signal) { end(t, p, how) }}
}

// haproxy balances between addresses that are ready, and returns its own URL.
func haproxy(t *testing.T, addrs ...string) (url string, p *program.Process) {
	t.Helper()
	front := program.FreeAddr(t)
	config := `global
  maxconn 5000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
frontend f
  bind ` + front + `
  default_backend b
backend b
  option forwardfor
  option httpchk GET /readyz
`
	for i, addr := range addrs {
		config += fmt.Sprintf("  server m%d %s check inter 500ms\n", i, addr)
	}
	path := filepath.Join(t.TempDir(), "haproxy.cfg")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p = program.Start(t, "haproxy", "-db", "-f", path)
	awaitReady(t, "http://"+front)
	return "http://" + front, p
}

func awaitReady(t *testing.T, url string) {
	t.Helper()
	for late := time.After(program.Patience); ; {
		answer, err := http.Get(url + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-late:
			t.Fatalf("%s is not ready: %v", url, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
