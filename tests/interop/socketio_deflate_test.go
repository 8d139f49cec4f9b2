package interop_test

import (
	"encoding/json"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// The WebSocket of a Socket.IO client is compressed, also if it began with polling, and with
// contexts where they are allowed.
func TestSocketIODeflate(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"alone": nil, "with contexts": {"--server-context-takeover", "--client-context-takeover"}} {
		server := program.Serve(t, maruPath, args...)
		for _, way := range []string{"polling, then upgrade", "WebSocket"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				t.Parallel()
				s := startSocketIO(t, server.URL, socketIOWays[way])
				for upgraded, connected := false, false; !upgraded || !connected; {
					line := s.wants("[")
					upgraded = upgraded || line == `["transport","websocket"]`
					connected = connected || strings.HasPrefix(line, `["connect"`)
				}
				s.emits(`["subscribe","hall"]`)
				s.wants(`["ack subscribe",`)
				long := strings.Repeat("all is well ", 500)
				before := s.wire()
				for range 2 {
					publish(t, server.URL+"/channels/hall", "text/plain", long)
					s.wants(`["message","hall","all is well`)
				}
				if n := s.wire() - before; n > len(long) {
					t.Errorf("two messages of %d bytes came as %d", len(long), n)
				}
				s.emits(`["publish","hall","` + long + `"]`) // which the client compresses
				s.wants(`["message","hall","all is well`)
			})
		}
	}
}

// wire wants that the client's WebSocket is compressed, and returns how many bytes it has read.
func (s socketIO) wire() int {
	s.t.Helper()
	s.emits(`["wire"]`)
	var line []any
	if err := json.Unmarshal([]byte(s.wants(`["wire",`)), &line); err != nil {
		s.t.Fatal(err)
	}
	if line[1] != "permessage-deflate" {
		s.t.Fatalf("extensions: %v", line[1])
	}
	return int(line[2].(float64))
}
