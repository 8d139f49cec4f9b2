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

// process is a running maru serve under limits.
type process struct {
	*program.Process
	t     *testing.T
	addr  string
	limit int // on open files; 0: that of the test

	mu    sync.Mutex
	leave []func() // close the clients that have connected
}

// serve starts maru with a limit on open files; 0: that of the test.
func serve(t *testing.T, files int, args ...string) *process {
	t.Helper()
	limit := ""
	if files > 0 {
		limit = fmt.Sprintf("ulimit -n %d && ", files)
	}
	args = append([]string{"-c", limit + `exec "$0" serve --listen 127.0.0.1:0 "$@"`, maru}, args...)
	return open(t, exec.Command("sh", args...), files)
}

// open starts maru by a command whose limit on open files is given.
func open(t *testing.T, cmd *exec.Cmd, files int) *process {
	t.Helper()
	p := program.StartCommand(t, cmd)
	_, addr, _ := strings.Cut(p.Stdout.Await(t, "://"), "://")
	h := &process{Process: p, t: t, addr: strings.TrimSuffix(strings.TrimSpace(addr), "/"), limit: files}
	h.enter() // afterwards it has opened all the files that it needs
	h.empty()
	return h
}

// client is a client in the hall.
type client struct {
	*ws.Conn
	received chan string
	gone     chan int
}

func (h *process) enter() *client {
	h.t.Helper()
	v, err := h.tryEnter()
	if err != nil {
		h.t.Fatal(err)
	}
	return v
}

func (h *process) tryEnter() (*client, error) {
	v := &client{received: make(chan string, 1000), gone: make(chan int, 1)}
	c, err := ws.Dial(h.t.Context(), "ws://"+h.addr, ws.DialOptions{
		OnMessage: func(_ *ws.Conn, m ws.Message) { v.received <- m.String() },
		OnClose:   func(_ *ws.Conn, code int, _ string) { v.gone <- code },
		Inline:    true,
	})
	if err != nil {
		return nil, err
	}
	v.Conn = c
	h.onEmpty(c.Terminate)
	return v, nil
}

// onEmpty adds a function for empty to call.
func (h *process) onEmpty(leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.leave = append(h.leave, leave)
	h.t.Cleanup(leave)
}

// empty closes all clients, and waits until the server has noticed.
func (h *process) empty() {
	h.t.Helper()
	for _, leave := range h.leave {
		leave()
	}
	h.leave = nil
	h.until("no connection is left", func() bool { return h.metrics()("maru_connections") == 0 })
}

// talk sends a message, and waits for the other client to receive it.
func (h *process) talk(from, to *client, text string) {
	h.t.Helper()
	from.SendText(text)
	late := time.After(program.Patience)
	for {
		select {
		case got := <-to.received:
			if got == text {
				return
			}
		case code := <-to.gone:
			h.t.Fatalf("closed with %d before %q", code, text)
		case <-late:
			h.t.Fatalf("%q was not received", text)
		}
	}
}

// connect opens connections that send only a G: the kernel hands over silent ones later.
func (h *process) connect(n int) (ncs []net.Conn) {
	h.t.Helper()
	for range n {
		nc, err := net.Dial("tcp", h.addr)
		if err != nil {
			h.t.Fatal(err)
		}
		nc.(*net.TCPConn).SetLinger(0) // avoids TIME_WAIT, which would use up the ports
		h.onEmpty(func() { nc.Close() })
		nc.Write([]byte("G"))
		ncs = append(ncs, nc)
	}
	return ncs
}

// status is the HTTP status of a refused handshake, 0 if it was accepted.
func status(err error) int {
	if refused := new(ws.HandshakeError); errors.As(err, &refused) {
		return refused.Response.StatusCode
	}
	return 0
}

// get asks for the page and answers with the status, 0 if there is none.
func (h *process) get() int {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + h.addr + "/")
	if err != nil {
		return 0
	}
	answer.Body.Close()
	return answer.StatusCode
}

// files is the number of files the process has open. Inherited ones above its limit do not count
// towards the limit.
func (h *process) files() int {
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

// holdings are the resources that may remain in a process.
type holdings struct{ files, goroutines int }

// holds returns the resources in use now.
func (h *process) holds() holdings {
	h.t.Helper()
	files := h.files()
	return holdings{files, int(h.metrics()("go_goroutines"))}
}

// leavesNothing closes all clients, and waits until the resources in use are as before.
func (h *process) leavesNothing(before holdings) {
	h.t.Helper()
	h.empty()
	var now holdings
	h.until("all resources are released", func() bool {
		now = h.holds()
		return now.files <= before.files && now.goroutines <= before.goroutines
	}, func() { h.t.Logf("resources before: %+v, now: %+v", before, now) })
}

// metrics reads /metrics. Samples of one name are added up over all labels.
func (h *process) metrics() func(name string) float64 {
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

// cpu is the CPU time of the process, proc(5): fields 14 and 15 of stat in
// hundredths of a second.
func (h *process) cpu() time.Duration {
	h.t.Helper()
	stat := h.proc("stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// peak is the most memory that the process has had, in bytes (VmHWM, proc(5)).
func (h *process) peak() int {
	h.t.Helper()
	_, rest, _ := strings.Cut(h.proc("status"), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		h.t.Fatal(err)
	}
	return kib << 10
}

func (h *process) proc(name string) string {
	h.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", h.ID(), name))
	if err != nil {
		h.t.Fatal(err)
	}
	return string(b)
}

// until polls a condition without an event. If it times out, more adds to the test's log.
func (h *process) until(what string, ok func() bool, more ...func()) {
	h.t.Helper()
	late := time.After(program.Patience)
	for !ok() {
		select {
		case <-late:
			for _, log := range more {
				log()
			}
			h.t.Fatalf("timed out waiting until %s", what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}
