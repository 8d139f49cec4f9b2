package socketio_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"maru.example/maru/socketio"
)

type logLines chan string

func (l logLines) Write(b []byte) (int, error) {
	l <- string(b)
	return len(b), nil
}

// Without a function for it, what handlers do wrong is logged: arguments that do not fit, and a panic
// with its place. Lines are limited for each address.
func TestFailuresAreLogged(t *testing.T) {
	t.Parallel()
	lines := make(logLines, 1000)
	w := newWorld(t, socketio.Options{Logger: slog.New(slog.NewJSONHandler(lines, nil))})
	w.io.OnConnection(func(s *socketio.Socket) {
		s.On("add", func(a, b int, ack socketio.Ack) { ack(a + b) })
		s.On("panics", func() { panic("oops") })
	})
	c := w.connected()
	for event, place := range map[string]string{`42["add","x",1]`: "", `42["panics"]`: "failed_test.go"} {
		c.says(event)
		var line struct{ Event, Addr, Stack string }
		if err := json.Unmarshal([]byte(await(t, lines)), &line); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(event, line.Event) || line.Addr != "127.0.0.1" || !strings.Contains(line.Stack, place) {
			t.Errorf("%s: the line is %+v", event, line)
		}
	}
	for range 100 {
		c.says(`42["add","x"]`)
	}
	c.says(`421["add",1,2]`)
	c.wants(`431[3]`)
	if n := len(lines); n > 50 {
		t.Errorf("100 faults of one second are %d lines", n)
	}
}
