package interop_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/ws"
)

// Ten thousand messages arrive in order and once, by each transport, and across an upgrade that
// begins among them.
func TestSocketIOInOrder(t *testing.T) {
	t.Parallel()
	const messages, upgrade = 10_000, 3_000
	server := program.Serve(t, maruPath)
	for name, options := range map[string]string{
		"polling":            `{"transports":["polling"]}`,
		"WebSocket":          `{"transports":["websocket"]}`,
		"during the upgrade": `{"upgrade":false}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channel := "many:" + strings.ReplaceAll(name, " ", "-")
			s := startSocketIO(t, server.URL, options)
			s.wants(`["connect",`)
			s.emits(fmt.Sprintf(`["subscribe",%q]`, channel))
			s.wants(`["ack subscribe",`)
			raw, err := ws.Dial(t.Context(), "ws://"+server.Addr+"/channels/"+channel, ws.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Terminate()
			const window = 500 // below the backlog of a slow reader
			upgraded := false
			for i := range messages + window {
				if i < messages {
					raw.SendText(fmt.Sprint(i))
				}
				if i == upgrade && name == "during the upgrade" {
					s.emits(`["probe"]`)
				}
				if i >= window {
					upgraded = s.wantsMessage(channel, i-window) || upgraded
				}
			}
			if upgraded != (name == "during the upgrade") {
				t.Errorf("upgraded among the messages: %v", upgraded)
			}
		})
	}
}

// wantsMessage wants that the next message of the channel is this number. It reports whether an
// upgrade came before it.
func (s socketIO) wantsMessage(channel string, i int) (upgraded bool) {
	s.t.Helper()
	for {
		switch line := s.wants("["); {
		case strings.HasPrefix(line, `["transport","websocket"`):
			upgraded = true
		case !strings.HasPrefix(line, `["message"`):
		case strings.HasPrefix(line, fmt.Sprintf(`["message",%q,"%d","`, channel, i)):
			return upgraded
		default:
			s.t.Fatalf("got %s, want %d", line, i)
		}
	}
}

// A channel is shared by a Socket.IO client, a raw WebSocket and an event stream: each publishes
// beside the others, and all get all of it in one order, with the same positions.
func TestSocketIOSharesChannels(t *testing.T) {
	t.Parallel()
	const each = 100
	server := program.Serve(t, maruPath)
	s := startSocketIO(t, server.URL, `{}`)
	s.wants(`["connect",`)
	s.emits(`["subscribe","hall"]`)
	s.wants(`["ack subscribe",`)
	q := make(chan string, 10*each)
	raw, err := ws.Dial(t.Context(), "ws://"+server.Addr+"/", ws.DialOptions{OnMessage: func(_ *ws.Conn, m ws.Message) { q <- m.String() }})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Terminate()
	r, _ := http.NewRequest(http.MethodGet, server.URL+"/", nil)
	r.Header.Set("Accept", "text/event-stream")
	stream, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()

	for i := range each {
		s.emits(fmt.Sprintf(`["send","publish","hall","socket.io %d"]`, i))
		raw.SendText(fmt.Sprint("raw ", i))
		publish(t, server.URL+"/", "text/plain", fmt.Sprint("post ", i))
	}
	type message struct{ text, position string }
	var bySocketIO, byStream []message
	var byRaw, texts []string
	for len(bySocketIO) < 3*each {
		var args [4]string
		if err := json.Unmarshal([]byte(s.wants(`["message",`)), &args); err != nil {
			t.Fatal(err)
		}
		bySocketIO = append(bySocketIO, message{args[2], args[3]})
		texts = append(texts, args[2])
		byRaw = append(byRaw, await(t, q))
	}
	event, position := "", ""
	for lines := bufio.NewScanner(stream.Body); len(byStream) < 3*each && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			position = value
		case "event":
			event = value
		case "data":
			if event == "" { // else it is the position at the beginning
				byStream = append(byStream, message{value, position})
			}
			event = ""
		}
	}
	if !slices.Equal(bySocketIO, byStream) {
		t.Errorf("by socket.io:\n%q\nby the event stream:\n%q", bySocketIO, byStream)
	}
	if !slices.Equal(texts, byRaw) {
		t.Errorf("by socket.io:\n%q\nraw:\n%q", texts, byRaw)
	}
	for _, by := range []string{"socket.io", "raw", "post"} {
		for i := range each {
			if text := fmt.Sprint(by, " ", i); !slices.Contains(texts, text) {
				t.Errorf("%s did not come", text)
			}
		}
	}
}
