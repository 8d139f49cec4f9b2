package bad

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/ws"
)

// house is a maru serve under limits.
type house struct {
	*program.Process
	t     *testing.T
	addr  string
	limit int // on files; 0: none of its own

	mu     sync.Mutex
	guests []func() // end those who have come, however they are
}

// serve starts one that may open so many files; 0: as many as this process may.
func serve(t *testing.T, files int, args ...string) *house {
	t.Helper()
	limit := ""
	if files > 0 {
		limit = fmt.Sprintf("ulimit -n %d && ", files)
	}
	args = append([]string{"-c", limit + `exec "$0" serve --listen 127.0.0.1:0 "$@"`, maru}, args...)
	return open(t, exec.Command("sh", args...), files)
}

// open starts one by a command that may open so many files.
func open(t *testing.T, cmd *exec.Cmd, files int) *house {
	t.Helper()
	p := program.StartCommand(t, cmd)
	_, addr, _ := strings.Cut(p.Stdout.Await(t, "://"), "://")
	h := &house{Process: p, t: t, addr: strings.TrimSuffix(strings.TrimSpace(addr), "/"), limit: files}
	h.enter() // from here on it has opened all that it needs
	h.empty()
	return h
}

// visitor is a client in the hall.
type visitor struct {
	*ws.Conn
	heard chan string
	gone  chan int
}

func (h *house) enter() *visitor {
	h.t.Helper()
	v, err := h.tryEnter()
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *house) tryEnter() (*visitor, error) {
	v := &visitor{heard: make(chan string, 1000), gone: make(chan int, 1)}
	c, err := ws.Dial(h.t.Context(), "ws://"+h.addr, ws.DialOptions{
		OnMessage: func(_ *ws.Conn, m ws.Message) { v.heard <- m.String() },
		OnClose:   func(_ *ws.Conn, code int, _ string) { v.gone <- code },
		Inline:    true,
	})
	if err != nil {
		return nil, err
	}
	v.Conn = c
	h.guest(c.Terminate)
	return v, nil
}

// guest notes who has come.
func (h *house) guest(leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guests = append(h.guests, leave)
	h.t.Cleanup(leave)
}

// empty has everybody leave, and waits until it has noticed.
func (h *house) empty() {
	h.t.Helper()
	for _, leave := range h.guests {
		leave()
	}
	h.guests = nil
	h.until("nobody is there", func() bool { return h.metrics()("maru_connections") == 0 })
}

// talk has one say something that the other hears, in time.
func (h *house) talk(from, to *visitor, text string) {
	h.t.Helper()
	from.SendText(text)
	late := time.After(program.Patience)
	for {
		select {
		case got := <-to.heard:
			if got == text {
				return
			}
		case code := <-to.gone:
			h.t.Fatalf("gone with %d before %q", code, text)
		case <-late:
			h.t.Fatalf("%q was not heard", text)
		}
	}
}

// connect opens connections that say no more than G: who says nothing is accepted later.
func (h *house) connect(n int) (ncs []net.Conn) {
	h.t.Helper()
	for range n {
		nc, err := net.Dial("tcp", h.addr)
		if err != nil {
			h.t.Fatal(err)
		}
		nc.(*net.TCPConn).SetLinger(0) // leaves no port behind that is not to be used for a minute
		h.guest(func() { nc.Close() })
		nc.Write([]byte("G"))
		ncs = append(ncs, nc)
	}
	return ncs
}

// status is how a handshake was refused, 0 if it was not.
func status(err error) int {
	if refused := new(ws.HandshakeError); errors.As(err, &refused) {
		return refused.Response.StatusCode
	}
	return 0
}

// get asks for the page and answers with the status, 0 if there is none.
func (h *house) get() int {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + h.addr + "/")
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// files is how many the process has open. What it has inherited above its limit
// takes nothing from that.
func (h *house) files() int {
	h.t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.ID()))
	if err != nil {
		h.t.Fatal(err)
	}
	n := 0
	for _, file := range all {
		if number, err := strconv.Atoi(file.Name()); err == nil && (h.limit == 0 || number < h.limit) {
			n++
		}
	}
	return n
}

// holdings are what a process may be left with.
type holdings struct{ files, goroutines int }

// holds is what it has now.
func (h *house) holds() holdings {
	h.t.Helper()
	files := h.files()
	return holdings{files, int(h.metrics()("go_goroutines"))}
}

// leavesNothing has everybody leave, and waits until it has no more than it had.
func (h *house) leavesNothing(before holdings) {
	h.t.Helper()
	h.empty()
	var now holdings
	h.until("nothing is left", func() bool {
		now = h.holds()
		return now.files <= before.files && now.goroutines <= before.goroutines
	}, func() { h.t.Logf("it had %+v, and has %+v", before, now) })
}

// metrics are its figures; those of one name, by whatever label, add up.
func (h *house) metrics() func(name string) float64 {
	h.t.Helper()
	client := http.Client{Timeout: program.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + h.addr + "/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		h.t.Fatalf("metrics: %s, %v", answer.Status, err)
	}
	return func(name string) (sum float64) {
		h.t.Helper()
		found := false
		for line := range strings.Lines(string(text)) {
			rest, ok := strings.CutPrefix(line, name)
			if !ok || rest[0] != ' ' && rest[0] != '{' {
				continue
			}
			value, err := strconv.ParseFloat(strings.TrimSpace(rest[strings.LastIndexByte(rest, ' '):]), 64)
			if err != nil {
				h.t.Fatalf("metrics: %s", line)
			}
			sum, found = sum+value, true
		}
		if !found {
			h.t.Fatalf("metrics: no %s", name)
		}
		return sum
	}
}

// cpu is what the process has used, proc(5): fields 14 and 15 of stat in
// hundredths of a second.
func (h *house) cpu() time.Duration {
	h.t.Helper()
	stat := h.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peak is the most memory that the process has had, in bytes (VmHWM, proc(5)).
func (h *house) peak() int {
	h.t.Helper()
	_, rest, _ := strings.Cut(h.proc("status"), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return kib << 10
}

func (h *house) proc(name string) string {
	h.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", h.ID(), name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// until polls what cannot be waited for. Who waits in vain may have more to tell.
func (h *house) until(what string, ok func() bool, more ...func()) {
	h.t.Helper()
	late := time.After(program.Patience)
	for !ok() {
		select {
		case <-late:
			for _, tell := range more {
				tell()
			}
			h.t.Fatalf("waited in vain until %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
