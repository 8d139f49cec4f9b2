package oracle

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/tests/e2e/program"
)

// A node is a server of maru, a process of its own, with its cables to the servers of NATS.
type node struct {
	*program.Process
	addr   string
	cables []*cable
}

func newNode(t *testing.T, all []*natsServer) *node {
	t.Helper()
	n := &node{addr: program.FreeAddr(t)}
	for _, s := range all {
		n.cables = append(n.cables, newCable(t, s.clients))
	}
	return n
}

// start starts the node, and again as a supervisor does, until it is ready.
func (n *node) start(t *testing.T) {
	t.Helper()
	var urls []string
	for _, c := range n.cables {
		urls = append(urls, "nats://"+c.addr)
	}
	for late := time.Now().Add(patience); ; pause(t.Context(), 20*time.Millisecond) {
		if n.Process == nil || n.Ended() {
			command := exec.Command(os.Args[0])
			command.Env = append(os.Environ(), "ORACLE_NODE="+n.addr, "ORACLE_NATS="+strings.Join(urls, ","))
			n.Process = program.StartCommand(t, command)
		}
		if n.ready() {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("the node is not ready after %v", patience)
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

// runNode is the program of a node.
func runNode(addr string) error {
	anyone := server.Namespace{Subscribe: maru.Anyone, Publish: maru.Anyone, History: maru.Anyone, Presence: maru.Anyone}
	s, err := server.New(server.Options{
		Access:              server.Access{Namespaces: map[string]server.Namespace{"default": anyone, "room": anyone}, TokenKeys: [][]byte{[]byte(tokenKey)}},
		HistoryPublications: retained, HistoryBytes: retainedBytes, BacklogMessages: backlog, Logger: slog.Default(),
		Broker: cluster.Opener(cluster.Servers{URLs: strings.Split(os.Getenv("ORACLE_NATS"), ",")}, cluster.Options{Replicas: 3}),
	})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() { ended <- s.Shutdown(context.Background()) })
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
