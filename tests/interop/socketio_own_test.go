package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/server"
	"maru.example/maru/socketio"
	"maru.example/maru/tests/e2e/program"
)

// ownServer serves the events of a program, written with package socketio, until the test ends.
func ownServer(t testing.TB, io *socketio.Server) (url string) {
	t.Helper()
	live, err := server.New(server.Options{Loopback: true, Gateways: []server.Gateway{io.Gateway()}})
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
	return "http://" + l.Addr().String()
}

// await receives a value.
func await[T any](t testing.TB, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(program.Patience):
		t.Fatalf("nothing came in %v", program.Patience)
	}
	return v
}

// Acks of both sides, those that do not come, and bytes in both directions.
func TestSocketIOAcks(t *testing.T) {
	t.Parallel()
	io := socketio.New(socketio.Options{})
	asked := make(chan string, 10)
	io.OnConnection(func(s *socketio.Socket) {
		s.On("add", func(a, b int, ack socketio.Ack) { ack(a + b) })
		s.On("silent", func(socketio.Ack) {})
		s.On("bytes", func(a []byte, text string, b []byte, ack socketio.Ack) {
			s.Emit("two", b, text, a)
			ack(append(slices.Clone(a), b...))
		})
		s.On("ask", func(event string) {
			ctx, cancel := context.WithTimeout(t.Context(), map[string]time.Duration{"mute": 50 * time.Millisecond, "question": program.Patience}[event])
			defer cancel()
			args, err := s.EmitWithAck(ctx, event, "why", []byte{0, 255})
			answer := ""
			for _, a := range args {
				answer += fmt.Sprintf("%s%v ", a.JSON, a.Bytes)
			}
			asked <- fmt.Sprint(answer, errors.Is(err, context.DeadlineExceeded))
		})
	})
	url := ownServer(t, io)
	for name, options := range socketIOWays {
		t.Run(name, func(t *testing.T) {
			s := startSocketIO(t, url, options)
			s.emits(`["add",40,2]`, `["bytes",{"bytes":"AAH/"},"é",{"bytes":""}]`)
			s.wants(`["ack add",42]`)
			s.wants(`["two",{"bytes":""},"é",{"bytes":"AAH/"}]`)
			s.wants(`["ack bytes",{"bytes":"AAH/"}]`)
			s.emits(`["within",50,"silent"]`)
			s.wants(`["ack silent","Error: operation has timed out"]`)
			s.emits(`["send","ask","mute"]`, `["send","ask","question"]`)
			for _, want := range []string{`true`, `"why"[] [0 255] false`} {
				if got := await(t, asked); got != want {
					t.Errorf("the server's ack: %s, want %s", got, want)
				}
			}
		})
	}
}

// With retries, each event arrives at least once and in the order in which it was emitted, although
// acks are missing and the connection breaks.
func TestSocketIORetries(t *testing.T) {
	t.Parallel()
	io := socketio.New(socketio.Options{})
	arrived := make(chan int, 100)
	seen := make(map[int]bool) // by handlers of one client, which run one at a time
	io.OnConnection(func(s *socketio.Socket) {
		s.On("number", func(n int, ack socketio.Ack) {
			arrived <- n
			if n%3 == 1 || seen[n] { // the others are answered at their second arrival
				ack(n)
			}
			seen[n] = true
		})
	})
	relay := program.NewRelay(t, strings.TrimPrefix(ownServer(t, io), "http://"))
	s := startSocketIO(t, "http://"+relay.Addr, `{"ackTimeout":300,"retries":20}`)
	s.wants(`["connect",`)
	for i := range 6 {
		s.emits(fmt.Sprintf(`["retry","number",%d]`, i))
	}
	var got []int
	for len(got) == 0 || got[len(got)-1] != 3 {
		got = append(got, await(t, arrived))
	}
	for i := range 3 {
		s.wants(fmt.Sprintf(`["ack number",%d]`, i))
	}
	relay.Cut()
	s.wants(`["disconnect","transport `)
	relay.Mend()
	for i := 3; i < 6; i++ {
		s.wants(fmt.Sprintf(`["ack number",%d]`, i))
	}
	for len(arrived) > 0 {
		got = append(got, await(t, arrived))
	}
	if want := []int{0, 0, 1, 2, 2, 3, 3, 4, 5, 5}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Namespaces share a connection; one refuses clients with data. A volatile event is lost if there
// is no connection, others are sent when there is one.
func TestSocketIONamespaces(t *testing.T) {
	t.Parallel()
	io := socketio.New(socketio.Options{})
	got, left := make(chan string, 10), make(chan string, 10)
	io.OnConnection(func(s *socketio.Socket) { s.On("say", func(text string) { got <- text }) })
	admin := io.Of("/admin")
	admin.Use(func(s *socketio.Socket) error {
		var auth struct{ Token string }
		if json.Unmarshal(s.Handshake().Auth, &auth); auth.Token != "right" {
			return &socketio.ConnectError{Message: "wrong token", Data: map[string]int{"tries": 3}}
		}
		return nil
	})
	admin.OnConnection(func(s *socketio.Socket) {
		s.OnDisconnect(func(reason string) { left <- reason })
		s.On("who", func(ack socketio.Ack) { ack(s.Namespace().Name()) })
		s.Emit("welcome", []byte("hi"))
	})
	relay := program.NewRelay(t, strings.TrimPrefix(ownServer(t, io), "http://"))
	for name, options := range socketIOWays {
		t.Run(name, func(t *testing.T) {
			s := startSocketIO(t, "http://"+relay.Addr, options)
			s.wants(`["connect",`)
			s.emits(`["of","/admin",{"token":"wrong"}]`)
			s.wants(`["/admin connect_error","wrong token",{"tries":3},false]`)
			s.emits(`["of","/admin",{"token":"right"}]`, `["of","/none"]`)
			s.wants(`["/admin connect",`)
			s.wants(`["/admin welcome",{"bytes":"aGk="}]`)
			s.wants(`["/none connect_error","Invalid namespace",null,false]`)
			s.emits(`["in","/admin","who"]`)
			s.wants(`["ack who","/admin"]`)
			if n := len(admin.Sockets()); n != 1 {
				t.Errorf("%d sockets in /admin", n)
			}
			s.emits(`["idle"]`, `["volatile","say","connected"]`)
			if text := await(t, got); text != "connected" {
				t.Errorf("got %q", text)
			}
			relay.Cut()
			s.wants(`["disconnect","transport `)
			if reason := await(t, left); reason != "transport close" {
				t.Errorf("left because of %s", reason)
			}
			s.wants(`["reconnect_error"`) // until then the client would keep it
			s.emits(`["volatile","say","lost"]`, `["send","say","kept"]`)
			relay.Mend()
			s.wants(`["connect",`)
			if text := await(t, got); text != "kept" {
				t.Errorf("got %q", text)
			}
			s.wants(`["/admin connect",`) // by itself
			s.CloseInput()
			s.wants(`["disconnect","io client disconnect",false]`)
			await(t, left)
		})
	}
}
