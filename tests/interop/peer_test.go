package interop_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// event is an event on a connection, or an instruction to a peer. The lines of peer.js have the
// same shape, with binary data in base64.
type event struct {
	Kind string // open, text, binary, ping, pong, close, error
	Data string // close: the reason
	Code int    // close
}

func text(data string) event              { return event{Kind: "text", Data: data} }
func bytesOf(data string) event           { return event{Kind: "binary", Data: data} }
func closing(code int, data string) event { return event{Kind: "close", Data: data, Code: code} }

// String is the beginning of the event, for test messages.
func (e event) String() string {
	return fmt.Sprintf("%s %d %.60q", e.Kind, e.Code, e.Data)
}

// A peer is a WebSocket client of some library.
type peer interface {
	send(t testing.TB, e event)
	next(t testing.TB) event // waited for; the test fails if none comes
}

// A library connects peers. When dial returns, the first event of the peer was sent: the
// connection is open.
type library struct {
	name string
	dial func(t testing.TB, url string) peer
	// pings reports that a program can send pings with the library.
	pings bool
}

var libraries = []library{
	{"npm ws", dialNPMws(`{}`), true},
	{"npm websocket", dialNode("websocket", ""), true},
	{"node", dialNode("node", ""), false},
	{"coder", dialCoder(coderDefault), true},
	{"gorilla", dialGorilla, true},
	{"maru", dialMaru, true},
}

// each runs the test for every library at the same time, and once more.
func each(t *testing.T, test func(t *testing.T, l library)) {
	for _, l := range libraries {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			test(t, l)
		})
	}
}

// expect fails if the next events are different.
func expect(t testing.TB, p peer, want ...event) {
	t.Helper()
	for _, w := range want {
		if got := p.next(t); got != w {
			t.Fatalf("got %v, want %v", got, w)
		}
	}
}

// skipTo reads until that event.
func skipTo(t testing.TB, p peer, want event) {
	t.Helper()
	for p.next(t) != want {
	}
}

// end reads until the connection is closed.
func end(t testing.TB, p peer) event {
	t.Helper()
	for {
		if e := p.next(t); e.Kind == "close" {
			return e
		}
	}
}

// nodePeer is a client in a process of Node.
type nodePeer struct{ *program.Process }

func dialNPMws(options string) func(testing.TB, string) peer { return dialNode("ws", options) }

func dialNode(library, options string) func(testing.TB, string) peer {
	return func(t testing.TB, url string) peer {
		t.Helper()
		args := []string{"--experimental-websocket", "peer.js", library, url}
		if options != "" {
			args = append(args, options)
		}
		cmd := exec.Command("node", args...)
		cmd.Env = append(os.Environ(), "NODE_TLS_REJECT_UNAUTHORIZED=0")
		p := nodePeer{program.StartCommand(t, cmd)}
		expect(t, p, event{Kind: "open"})
		return p
	}
}

func (p nodePeer) next(t testing.TB) event {
	t.Helper()
	line := p.Stdout.Next(t)
	var e event
	err := json.Unmarshal([]byte(line), &e)
	if e.Kind == "binary" {
		var data struct{ Data []byte }
		err = json.Unmarshal([]byte(line), &data)
		e.Data = string(data.Data)
	}
	if err != nil {
		t.Fatalf("peer.js wrote %q: %v", line, err)
	}
	return e
}

func (p nodePeer) send(t testing.TB, e event) {
	t.Helper()
	command := map[string]any{"kind": e.Kind, "data": e.Data, "code": e.Code}
	if e.Kind == "binary" {
		command["data"] = []byte(e.Data)
	}
	line, err := json.Marshal(command)
	if err == nil {
		_, err = p.Write(append(line, '\n'))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// queue is the events of a client in this process.
type queue chan event

func newQueue() queue { return make(queue, 1<<14) }

func (q queue) next(t testing.TB) event {
	t.Helper()
	select {
	case e := <-q:
		return e
	case <-time.After(program.Patience):
		t.Fatalf("nothing came in %v", program.Patience)
		return event{}
	}
}

// trusting accepts self-signed certificates, as those of these tests are.
var trusting = &tls.Config{InsecureSkipVerify: true}

func socketURL(url string) string { return strings.Replace(url, "http", "ws", 1) }
