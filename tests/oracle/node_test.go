package oracle

import (
	"net/http"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// A node is a server of maru, a process of its own, with its cables to the servers of NATS.
type node struct {
	*program.Process
	addr      string
	arguments []string
	cables    []*cable
}

func newNode(t *testing.T, config string, all []*natsServer) *node {
	t.Helper()
	n := &node{addr: program.FreeAddr(t)}
	n.arguments = arguments(config, n.addr)
	for _, s := range all {
		c := newCable(t, s.clients)
		n.cables = append(n.cables, c)
		n.arguments = append(n.arguments, "--nats", "nats://"+c.addr)
	}
	return n
}

// start starts the node, and again as a supervisor does, until it is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.Process = program.Start(t, maruPath, n.arguments...)
	for late := time.Now().Add(patience); !n.ready(); pause(t.Context(), 20*time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("the node is not ready after %v", patience)
		}
		if n.Ended() {
			n.Process = program.Start(t, maruPath, n.arguments...)
		}
	}
}

func (n *node) ready() bool {
	answer, err := http.Get("http://" + n.addr + "/readyz")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
