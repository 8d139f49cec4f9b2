package interop_test

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"maru.example/maru/socketio"
	"maru.example/maru/tests/e2e/program"
)

// otherSocketIO are clients of other people. They read and write the lines of socketio.mjs.
var otherSocketIO = map[string]struct {
	start func(t testing.TB, url, options string) socketIO
	ways  []string // of socketIOWays
}{
	// By polling alone it cannot send while it polls: its requests stand in one queue (3.0.6).
	"Go":     {startGoSocketIO, []string{"polling, then upgrade", "WebSocket"}},
	"Python": {startPythonSocketIO, []string{"polling, then upgrade", "WebSocket", "polling"}},
}

// buildGoSocketIO builds the Go client, once: it needs many packages.
var buildGoSocketIO = sync.OnceValue(func() error { return program.Build(".", filepath.Dir(maruPath), "./socketio-go") })

func startGoSocketIO(t testing.TB, url, options string) socketIO {
	t.Helper()
	if err := buildGoSocketIO(); err != nil {
		t.Fatal(err)
	}
	return socketIO{program.Start(t, filepath.Join(filepath.Dir(maruPath), "socketio-go"), url, options), t}
}

// findPython returns the Python that has the client; Debian's is not always the first in PATH.
var findPython = sync.OnceValue(func() string {
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-I", "-c", "import socketio, requests, websocket").Run() == nil {
			return python
		}
	}
	return ""
})

func startPythonSocketIO(t testing.TB, url, options string) socketIO {
	t.Helper()
	python := findPython()
	if python == "" {
		t.Skip("there is no python-socketio: apt-get install -y python3-socketio python3-requests python3-websocket")
	}
	return socketIO{program.Start(t, python, "-I", "socketio.py", url, options), t}
}

// With maru serve: events, acks, errors and bytes; and what was missed when the server was killed.
func TestOtherSocketIOClients(t *testing.T) {
	t.Parallel()
	for name, client := range otherSocketIO {
		for _, way := range client.ways {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				dir := t.TempDir()
				server := program.Serve(t, maruPath, "--data", dir)
				s := client.start(t, server.URL, socketIOWays[way])
				s.wants(`["connect",`)
				s.emits(`["subscribe","chat"]`)
				s.wants(`["ack subscribe",{"channel":"chat","position":"`)
				s.emits(`["publish","chat",{"a":["é",null]}]`, `["publish","chat",{"bytes":"AAH/"}]`)
				s.wants(`["message","chat",{"a":["é",null]},"`)
				s.wants(`["message","chat",{"bytes":"AAH/"},"`)
				s.emits(`["nonsense"]`)
				s.wants(`["ack nonsense",{"error":{"code":"bad_request"`)
				last := s.wantsOffset(func(text string) { publish(t, server.URL+"/channels/chat", "text/plain", text) })

				server.Kill(t)
				s.wants(`["disconnect"`)
				server = program.Serve(t, maruPath, "--data", dir, "--listen", server.Addr)
				publish(t, server.URL+"/channels/chat", "text/plain", "missed")
				s.wants(`["connect",`)
				s.emits(fmt.Sprintf(`["subscribe","chat",{"since":%q}]`, last))
				s.wants(`["message","chat","missed","`)
				s.CloseInput()
				s.wants(`["disconnect"`)
			})
		}
	}
}

// With a server of package socketio, which asks for an ack itself.
func TestOtherSocketIOClientsOfOwnServer(t *testing.T) {
	t.Parallel()
	io := socketio.New(socketio.Options{})
	io.OnConnection(func(s *socketio.Socket) {
		s.On("ask", func(a int, b []byte, text string, ack socketio.Ack) {
			ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
			defer cancel()
			args, err := s.EmitWithAck(ctx, "question", text, b, a)
			if err != nil {
				t.Error(err)
			}
			if n := len(args); n != 3 || string(args[1].Bytes) != string(b) {
				t.Errorf("the ack has %d arguments: %v", n, args)
			}
			ack(text, b)
		})
	})
	url := ownServer(t, io)
	for name, client := range otherSocketIO {
		for _, way := range client.ways {
			t.Run(name+", "+way, func(t *testing.T) {
				s := client.start(t, url, socketIOWays[way])
				s.wants(`["connect",`)
				s.emits(`["ask",7,{"bytes":"AAH/"},"é"]`)
				s.wants(`["question","é",{"bytes":"AAH/"},7]`)
				s.wants(`["ack ask","é",{"bytes":"AAH/"}]`)
			})
		}
	}
}
