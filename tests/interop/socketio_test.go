package interop_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// socketIO is the published socket.io-client in a program of its own.
type socketIO struct {
	*program.Process
	t testing.TB
}

func startSocketIO(t testing.TB, url, options string) socketIO {
	t.Helper()
	return socketIO{program.Start(t, "node", "socketio.mjs", url, options), t}
}

func (s socketIO) emits(events ...string) {
	for _, e := range events {
		fmt.Fprintln(s, e)
	}
}

// wants reads lines until one begins with each of the prefixes, in this order, and returns the
// last.
func (s socketIO) wants(prefixes ...string) (line string) {
	s.t.Helper()
	for _, p := range prefixes {
		for line = ""; !strings.HasPrefix(line, p); {
			line = s.Stdout.Next(s.t)
			if strings.HasPrefix(line, `["connect_error`) && !strings.HasPrefix(p, `["connect_error`) {
				s.t.Logf("while waiting for %s: %s", p, line)
			}
		}
	}
	return line
}

// Each way in which the client can connect: polling and then the upgrade, one of the two alone,
// and WebSocket first.
var socketIOWays = map[string]string{
	"polling, then upgrade": `{"upgrade":true}`,
	"polling":               `{"transports":["polling"]}`,
	"WebSocket":             `{"transports":["websocket"]}`,
}

// The client connects, subscribes, publishes text, JSON and bytes, and gets acks, errors and events.
func TestSocketIOClient(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	for name, options := range socketIOWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channel := "way:" + strings.ReplaceAll(strings.ReplaceAll(name, " ", ""), ",", "")
			s := startSocketIO(t, server.URL, options)
			seen := map[string]bool{} // the upgrade may be complete before the connect is answered
			for !seen[`["connect"`] || name == "polling, then upgrade" && !seen[`["transport","websocket"]`] {
				line := s.wants("[")
				seen[line] = true
				begin, _, _ := strings.Cut(line, ",")
				seen[begin] = true
			}
			s.emits(fmt.Sprintf(`["subscribe",%q]`, channel))
			s.wants(fmt.Sprintf(`["ack subscribe",{"channel":%q,"position":"`, channel))
			s.emits(fmt.Sprintf(`["publish",%q,{"a":["é",null]}]`, channel), fmt.Sprintf(`["publish",%q,"text"]`, channel),
				fmt.Sprintf(`["publish",%q,{"bytes":"AAH/"}]`, channel), `["nonsense"]`)
			s.wants(fmt.Sprintf(`["message",%q,{"a":["é",null]},"`, channel))
			s.wants(fmt.Sprintf(`["message",%q,"text","`, channel))
			s.wants(fmt.Sprintf(`["message",%q,{"bytes":"AAH/"},"`, channel))
			s.wants(`["ack nonsense",{"error":{"code":"bad_request"`)
			s.CloseInput()
			s.wants(`["disconnect","io client disconnect",false]`)
		})
	}
}

// Other namespaces, and tokens that are not valid, are refused with a reason, and the client does
// not try again by itself.
func TestSocketIORefused(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	startSocketIO(t, server.URL+"/other", `{}`).wants(`["connect_error","Invalid namespace",null,false]`)
	startSocketIO(t, server.URL, `{"auth":{"token":"bad"}}`).wants(`["connect_error","the token is not valid`)
}

// A connection that breaks comes back as it was, with what it missed, in order; also if the server was
// killed, and its next process has the state from the disk.
func TestSocketIORecovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := program.Serve(t, maruPath, "--data", dir)
	say := func(text string) { publish(t, server.URL+"/channels/chat", "text/plain", text) }
	relay := program.NewRelay(t, server.Addr)
	s := startSocketIO(t, "http://"+relay.Addr, `{}`)
	s.wants(`["connect",`)
	s.emits(`["subscribe","chat"]`)
	s.wants(`["ack subscribe",`)
	say("one")
	s.wants(`["message","chat","one","`)
	for round := range 3 {
		relay.Cut()
		s.wants(`["disconnect","transport `)
		say(fmt.Sprint("missed ", round))
		relay.Mend()
		line := s.wants(`["connect",`)
		if !strings.HasSuffix(line, ",true]") {
			t.Fatalf("not recovered: %s", line)
		}
		s.wants(fmt.Sprintf(`["message","chat","missed %d","`, round))
		say(fmt.Sprint("live ", round))
		s.wants(fmt.Sprintf(`["message","chat","live %d","`, round))
	}

	for range 2 {
		<-time.After(time.Second) // what a client may come back for is on disk by then
		server.Kill(t)
		s.wants(`["disconnect","transport `)
		server = program.Serve(t, maruPath, "--data", dir, "--listen", server.Addr)
		say("after the restart")
		if line := s.wants(`["connect",`); !strings.HasSuffix(line, ",true]") {
			t.Errorf("not recovered from the disk: %s", line)
		}
		s.wants(`["message","chat","after the restart","`)
	}
}
