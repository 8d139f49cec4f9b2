package bad

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/handshake"
	"maru.example/maru/tests/e2e/program"
)

// leaping is maru built with a time package whose wall clock leaps two days each second: to
// the day before yesterday, to today, to the day after tomorrow, and back.
func leaping(t *testing.T) string {
	t.Helper()
	const read = "sec, nsec, mono := runtimeNow()\n"
	source := filepath.Join(runtime.GOROOT(), "src", "time", "time.go")
	clock, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	leaps := strings.ReplaceAll(string(clock), read, read+"\tsec += (mono/1e9%3 - 1) * 2 * 86400\n")
	if leaps == string(clock) {
		t.Fatalf("%s does not read the clock as this test knows it", source)
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{source: filepath.Join(dir, "time.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"time.go": []byte(leaps), "overlay": overlay} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay"), "-o", dir, "./cmd/maru")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "maru")
}

// When the wall clock jumps, connections that answer pings stay open, silent ones are closed in
// time, retained publications stay, and idempotency keys still work.
func TestWallClockJumps(t *testing.T) {
	t.Parallel()
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
