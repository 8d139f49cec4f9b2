package bad

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/handshake"
	"maru.example/maru/tests/e2e/program"
)

// leaping is maru linked with a time package whose wall clock leaps two days each second:
// to the day before yesterday, to today, to the day after tomorrow, and back. Only that
// package is compiled: the change moves no line and is in no inlined function, so that what
// other packages know of it stays the same, which the linker checks. Without -trimpath they would
// know the file's place.
func leaping(t *testing.T) string {
	t.Helper()
	const read = "sec, nsec, mono := runtimeNow()"
	source := filepath.Join(strings.TrimSpace(goTool(t, "env", "GOROOT")), "src", "time", "time.go")
	clock, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	leaps := strings.ReplaceAll(string(clock), read, read+"; sec += (mono/1e9%3 - 1) * 2 * 86400")
	if leaps == string(clock) {
		t.Fatalf("%s does not read the clock as this test knows it", source)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: in("time.go")}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, in("time.go"), leaps)
	write(t, in("overlay"), string(overlay))
	compiled := goTool(t, "list", "-trimpath", "-export", "-overlay", in("overlay"), "-f", "{{.Export}}", "time")

	// The Go tool runs this in place of its compiler and linker. For the linker it
	// exchanges the package in the list of packages.
	write(t, in("exchange"), "#!/bin/sh\ncompiled="+strings.TrimSpace(compiled)+`
case $1 in
*/link)
	previous=
	for argument; do
		if [ "$previous" = -importcfg ]; then
			sed -i "s#^packagefile time=.*#packagefile time=$compiled#" "$argument"
		fi
		previous=$argument
	done
	;;
esac
exec "$@"
`)
	goTool(t, "build", "-trimpath", "-toolexec", in("exchange"), "-o", in("maru"), "./cmd/maru")
	return in("maru")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// goTool runs the Go tool in the directory of the module and returns what it prints.
func goTool(t *testing.T, arguments ...string) string {
	t.Helper()
	cmd := exec.Command("go", arguments...)
	cmd.Dir = "../.."
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v: %s", cmd, err, &stderr)
	}
	return string(out)
}

// When the wall clock jumps, connections that answer pings stay open, silent ones are closed in
// time, retained publications stay, and idempotency keys still work.
func TestWallClockJumps(t *testing.T) {
	program.InOwnStep(t) // it builds maru with another standard library
	h := open(t, exec.Command(leaping(t), "serve", "--listen", "127.0.0.1:0", "--ping-interval", "1s", "--ping-timeout", "1s"), 0)
	empty := h.holds()
	one, other := h.enter(), h.enter()
	first := h.publishOnce("retained")

	silent, _, err := handshake.Dial(t.Context(), "ws://"+h.addr+"/", handshake.DialOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Conn.Close()
	start := time.Now()
	silent.Conn.SetReadDeadline(start.Add(program.Patience))
	if n, err := io.Copy(io.Discard, silent.Conn); err != nil || n == 0 { // a ping, which it does not answer
		t.Errorf("the silent client received %d bytes, %v", n, err)
	}
	if after := time.Since(start); after < 1500*time.Millisecond {
		t.Errorf("the silent client was closed after %v", after)
	}
	days := make(map[string]bool)
	h.until("the clock has leapt", func() bool {
		days[h.today()] = true
		return len(days) == 3
	})

	h.talk(one, other, "still here")
	h.talk(other, one, "and I")
	if again := h.publishOnce("retained"); again != first {
		t.Errorf("the same key published anew: %s, and before %s", again, first)
	}
	if history := h.ask(http.MethodGet, "", nil); !strings.Contains(history, `"retained"`) {
		t.Errorf("the history is %s", history)
	}
	h.leavesNothing(empty)
}

// publishOnce publishes with a key, and returns the position.
func (h *process) publishOnce(text string) string {
	h.t.Helper()
	return h.ask(http.MethodPost, text, http.Header{"Idempotency-Key": {"once"}})
}

// today is the day that the server writes on its answers.
func (h *process) today() string {
	h.t.Helper()
	var day string
	h.answer(http.MethodGet, "", nil, func(r *http.Response) { day = r.Header.Get("Date")[:len("Sun, 29 Nov")] })
	return day
}

// ask returns the hall's answer.
func (h *process) ask(method, body string, header http.Header) (text string) {
	h.t.Helper()
	h.answer(method, body, header, func(r *http.Response) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			h.t.Fatalf("%s: %s, %s, %v", method, r.Status, b, err)
		}
		text = string(b)
	})
	return text
}

func (h *process) answer(method, body string, header http.Header, look func(*http.Response)) {
	h.t.Helper()
	r, err := http.NewRequest(method, "http://"+h.addr+"/", strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	look(answer)
}
