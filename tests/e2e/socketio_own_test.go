package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"maru.example/maru/server"
	"maru.example/maru/socketio"
	"maru.example/maru/tests/e2e/program"
)

// ownEvents is a program with package socketio, for socketio-own.html.
func ownEvents() *socketio.Server {
	io := socketio.New(socketio.Options{})
	var mu sync.Mutex
	tries := make(map[string]int)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("add", func(a, b int, ack socketio.Ack) { ack(a + b) })
		s.On("silent", func(socketio.Ack) {})
		s.On("bytes", func(a []byte, b struct{ Deep [][]byte }, ack socketio.Ack) { ack(slices.Concat(b.Deep[0], a)) })
		s.On("ask", func(ack socketio.Ack) {
			args, err := s.EmitWithAck(context.Background(), "question", []byte{1, 2, 3})
			if err != nil || len(args) != 2 {
				ack(err.Error())
				return
			}
			ack([]any{args[0], len(args[1].Bytes)})
		})
		s.On("count", func(n int, ack socketio.Ack) {
			for i := range n {
				s.Emit("number", i)
			}
			ack()
		})
		s.On("third time", func(id string, ack socketio.Ack) {
			mu.Lock()
			defer mu.Unlock()
			if tries[id]++; tries[id] == 3 {
				ack(tries[id])
			}
		})
		s.On("leave", func() { s.Disconnect(true) })
	})
	members := io.Of("/members")
	members.Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if json.Unmarshal(s.Handshake().Auth, &auth) != nil || auth.Token != "right" {
			return &socketio.ConnectError{Message: "members only", Data: map[string]string{"ask": "kim"}}
		}
		s.Data = "a member"
		return nil
	})
	members.OnConnection(func(s *socketio.Socket) { s.On("who", func(ack socketio.Ack) { ack(s.Data) }) })
	return io
}

// The published client in Chromium and Firefox, by polling with the upgrade and by WebSocket, with a
// program of another origin: acks of both sides, one that does not come, retries, bytes, 10,000 events
// in order, a namespace that refuses and accepts, and the end by the server.
func TestIssue16SocketIOEventsInBrowsers(t *testing.T) {
	program.InOwnStep(t)
	page := socketIOPage(t)
	live, err := server.New(server.Options{Loopback: true, Origins: []string{page}, Gateways: []server.Gateway{ownEvents().Gateway()}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- live.Serve(l) }()
	t.Cleanup(func() {
		live.Shutdown(context.Background())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	for _, v := range openBoth(t, page+"/own?at=http://"+l.Addr().String(), openTab(t, look{}), startFirefox(t)) {
		for _, way := range []string{"upgrade", "websocket"} {
			of := func(what string) string { return "globalThis.results?." + way + "." + what }
			v.eventually(t, of("transport"), "websocket")
			v.eventually(t, of("ack"), 42)
			v.eventually(t, of("late"), "operation has timed out")
			v.eventually(t, of("bytes"), []int{7, 0, 1, 255})
			v.eventually(t, of("asked"), []int{3, 2})
			v.eventually(t, of("order"), true)
			v.eventually(t, of("tries"), 3)
			v.eventually(t, of("refused"), []any{"members only", map[string]any{"ask": "kim"}, false})
			v.eventually(t, of("member"), "a member")
			v.eventually(t, of("left"), "io server disconnect")
		}
	}
}
