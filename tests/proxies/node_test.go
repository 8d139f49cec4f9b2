package proxies_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
)

// node is the Node.js that runs socketio.mjs, for the visitors of all tests: each of them would take
// half a second to start one of its own.
var node nodeProcess

type nodeProcess struct {
	last atomic.Int64 // of the ids of visitors and questions

	mu      sync.Mutex
	started bool
	err     error
	stdin   io.WriteCloser
	waiting map[int64]chan answer
	cmd     *exec.Cmd
}

// question is a line of socketio.mjs's input, and answer one of its output.
type question struct {
	ID      int64    `json:"id"`
	Visitor visitor  `json:"visitor"`
	URL     string   `json:"url,omitempty"`
	CA      string   `json:"ca,omitempty"`
	Path    string   `json:"path,omitempty"`
	Ways    []string `json:"ways,omitempty"`
	Ask     string   `json:"ask,omitempty"`
	Want    any      `json:"want,omitempty"`
}

type answer struct {
	ID             int64
	Value, Clients json.RawMessage
	Late           bool
	Error          string
}

// ask writes a question, whose answer comes later.
func (n *nodeProcess) ask(t testing.TB, q question) <-chan answer {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.started {
		n.started, n.err = true, n.start()
	}
	must(t, n.err)
	q.ID = n.last.Add(1)
	got := make(chan answer, 1)
	n.waiting[q.ID] = got
	b, err := json.Marshal(q)
	must(t, err)
	_, err = n.stdin.Write(append(b, '\n'))
	must(t, err)
	return got
}

func (n *nodeProcess) start() (err error) {
	n.waiting = make(map[int64]chan answer)
	n.cmd = exec.Command("node", "socketio.mjs")
	n.cmd.Stderr = os.Stderr
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		return err
	}
	stdout, err := n.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	go n.read(stdout)
	return n.cmd.Start()
}

func (n *nodeProcess) read(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			a.Error = err.Error()
		}
		n.mu.Lock()
		got := n.waiting[a.ID]
		delete(n.waiting, a.ID)
		n.mu.Unlock()
		if got != nil {
			got <- a
		}
	}
}

// end ends it, after all tests.
func (n *nodeProcess) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.started && n.err == nil {
		n.stdin.Close()
		n.cmd.Wait()
	}
}
