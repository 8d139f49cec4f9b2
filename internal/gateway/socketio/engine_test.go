package socketio_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
)

// fast has the heartbeat of the protocol's own test suites, whose cases these tests have, too:
// each names the section of the protocol.
var fast = socketio.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond, MaxPayload: 1e6}

// fastServer has clocks that are fine enough for that.
var fastServer = server.Options{PingInterval: 300 * time.Millisecond, PingTimeout: 200 * time.Millisecond}

// Engine.IO, Handshake.
func TestHandshake(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fastServer, fast)
	status, body := w.ask("GET", "EIO=4&transport=polling", "")
	h := w.readHandshake(body)
	if status != 200 || h.SID == "" || len(h.Upgrades) != 1 || h.Upgrades[0] != "websocket" ||
		h.PingInterval != 300 || h.PingTimeout != 200 || h.MaxPayload != 1e6 {
		t.Errorf("%d %+v", status, h)
	}
	s, err := w.dial("EIO=4&transport=websocket", nil)
	if err != nil {
		t.Fatal(err)
	}
	h = w.readHandshake(s.wants("0…"))
	if h.SID == "" || h.Upgrades == nil || len(h.Upgrades) != 0 || h.PingInterval != 300 || h.PingTimeout != 200 || h.MaxPayload != 1e6 {
		t.Errorf("%+v", h)
	}
}

// Engine.IO, Transports: mandatory parameters, and methods.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fastServer, fast)
	p := w.polling()
	for name, c := range map[string]struct{ method, query, code string }{
		"no version":           {"GET", "transport=polling", `"code":5`},
		"version 3":            {"GET", "EIO=3&transport=polling", `"code":5`},
		"no query":             {"GET", "", `"code":5`},
		"not a version":        {"GET", "EIO=abc&transport=polling", `"code":5`},
		"no transport":         {"GET", "EIO=4", `"code":0`},
		"unknown transport":    {"GET", "EIO=4&transport=abc", `"code":0`},
		"POST without session": {"POST", "EIO=4&transport=polling", `"code":2`},
		"PUT without session":  {"PUT", "EIO=4&transport=polling", `"code":2`},
		"unknown session":      {"GET", "EIO=4&transport=polling&sid=x", `"code":1`},
		"POST to unknown":      {"POST", "EIO=4&transport=polling&sid=x", `"code":1`},
		"PUT with a session":   {"PUT", p.query, `"code":3`},
	} {
		if status, body := w.ask(c.method, c.query, ""); status != 400 || !strings.Contains(body, c.code) {
			t.Errorf("%s: %d %s, want 400 %s", name, status, body, c.code)
		}
	}
	for _, query := range []string{"transport=websocket", "EIO=abc&transport=websocket", "EIO=3&transport=websocket", "EIO=4", "EIO=4&transport=abc",
		"EIO=4&transport=polling"} {
		w.refused(query)
	}
	w.turnedAway("EIO=4&transport=websocket&sid=x")
	if status, body := w.ask("GET", "EIO=4&transport=websocket", ""); status != 426 {
		t.Errorf("no upgrade: %d %s", status, body)
	}
}

// Engine.IO, Heartbeat.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fastServer, fast)
	p := w.polling()
	for range 3 {
		if status, body := p.ask("GET", p.query, ""); status != 200 || body != "2" {
			t.Fatalf("%d %q, want a ping", status, body)
		}
		p.post("3")
	}
	for status := 200; status == 200; { // and now without pongs
		var body string
		if status, body = p.ask("GET", p.query, ""); status != 400 && body != "2" {
			t.Fatalf("%d %q", status, body)
		}
	}
	w.socket(nil).wants("closed 1006 …")
}

// Engine.IO, Sending and receiving data: one POST and one GET at a time, and valid packets.
func TestPollingViolations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{MaxPayload: 100})
	for name, body := range map[string]string{"a letter": "abc", "empty": "", "open": "0{}", "ping": "2", "half": "4", "binary of nothing": "bAQIDBA==", "bad base64": "b*"} {
		p := w.polling()
		if status, answer := p.ask("POST", p.query, body); status != 400 {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		p.gone()
	}
	large := w.polling()
	if status, _ := large.ask("POST", large.query, "4"+strings.Repeat("x", 100)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large: %d", status)
	}
	if status, body := large.ask("GET", large.query, ""); status != http.StatusRequestEntityTooLarge {
		t.Errorf("the poll after one that is too large: %d %s", status, body)
	}

	p := w.polling()
	answers := make(chan string, 2)
	for range 2 {
		go func() {
			status, body := p.ask("GET", p.query, "")
			answers <- fmt.Sprint(status, " ", body)
		}()
	}
	got := []string{<-answers, <-answers}
	slices.Sort(got)
	if got[0] != "200 1" || !strings.HasPrefix(got[1], "400 ") {
		t.Errorf("two polls: %q", got)
	}
	p.gone()
}

// Engine.IO, Packet encoding: by WebSocket.
func TestSocketViolations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{MaxPayload: 100})
	for name, packets := range map[string][]string{
		"a letter":               {"abc"},
		"empty":                  {""},
		"a ping":                 {"2"},
		"a probe":                {"2probe"},
		"binary of nothing":      {"b:abc"},
		"unknown packet":         {"4abc"},
		"event of no array":      {"42{}"},
		"bad ack id":             {`42abc["subscribe"]`},
		"text among attachments": {`452-["publish","a",{"_placeholder":true,"num":0}]`, "b:1", `42["x"]`},
		"large attachments":      {`452-["publish","a",{"_placeholder":true,"num":0}]`, "b:" + strings.Repeat("x", 60)},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.socket(nil)
			s.says(packets...)
			for got := ""; !strings.HasPrefix(got, "closed "); {
				got = s.wants("…")
			}
		})
	}
	s := w.socket(nil)
	s.says("1") // Engine.IO, Protocol: close
	s.wants("closed 1000 ")
}

// A client that closes its session ends its poll with a noop: Engine.IO, Protocol.
func TestPollingClose(t *testing.T) {
	t.Parallel()
	p := newWorld(t, server.Options{}, socketio.Options{}).polling()
	p.post("1")
	p.wants("6")
	p.gone()
}

// The close of the server is a packet of its own, never one behind others: socket.io-client handles it
// before these (TestRefusedIdentity and TestDisconnectDrainAndMetrics have the others).
func TestPollingCloseAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	p := w.polling()
	p.post("40")
	p.wants(`40{"sid":…`)
	drained := make(chan error, 1)
	go func() { drained <- w.server.Drain(t.Context(), 0) }()
	p.wants("1")
	p.gone()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

// Engine.IO, Upgrade. Packets before, during and after it arrive once and in order.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fastServer, fast)
	p := w.polling()
	p.post("40\x1e" + `420["subscribe","hall"]`)
	p.wants(`40{"sid":…`, `430[{"channel":"hall",…`)
	s, err := w.dial(strings.Replace(p.query, "polling", "websocket", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	w.publish("hall", "before")
	p.wants(`42["message","hall","before",…`)
	s.says("2probe")
	s.wants("3probe")
	p.wants("6") // the poll is ended, so that the client can go on
	w.publish("hall", "between")
	w.turnedAway(strings.Replace(p.query, "polling", "websocket", 1)) // one WebSocket at a time
	s.says("5", `42["publish","hall","mine"]`)
	s.wants(`42["message","hall","between",…`, `42["message","hall","mine",…`)
	p.gone()
	w.turnedAway(strings.Replace(p.query, "polling", "websocket", 1))
	w.publish("hall", "after")
	s.wants(`42["message","hall","after",…`)
}

// An upgrade that is given up leaves the polls as they were.
func TestUpgradeGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	for name, says := range map[string][]string{"gone": {"2probe"}, "no probe": {"5"}, "a letter": {"a"}, "a message": {"2probe", "4"}} {
		t.Run(name, func(t *testing.T) {
			p := w.polling()
			s, err := w.dial(strings.Replace(p.query, "polling", "websocket", 1), nil)
			if err != nil {
				t.Fatal(err)
			}
			s.says(says...)
			if name == "gone" {
				s.wants("3probe")
				s.Terminate()
			}
			for got := ""; !strings.HasPrefix(got, "closed "); {
				got = s.wants("…")
			}
			p.post("40\x1e" + `420["subscribe","hall"]`)
			for p.got == nil || !strings.HasPrefix(p.got[0], "40{") { // noops may come first
				if len(p.got) > 0 && p.got[0] != "6" {
					t.Fatalf("got %q", p.got)
				}
				_, body := p.ask("GET", p.query, "")
				p.got = append(p.got[:0:0], strings.Split(body, "\x1e")...)
				for len(p.got) > 0 && p.got[0] == "6" {
					p.got = p.got[1:]
				}
				if len(p.got) == 0 {
					p.got = nil
				}
			}
			p.wants(`40{"sid":…`, `430[{"channel":"hall",…`)
		})
	}
}

// A client that stops in the middle of a poll ends its session: what was sent to it is lost.
func TestPollAbandoned(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	p := w.polling()
	c := &http.Client{Transport: &http.Transport{}, Timeout: 50 * time.Millisecond}
	if _, err := c.Get("http://" + w.host + "/socket.io/?" + p.query); err == nil {
		t.Fatal("the poll was answered")
	}
	c.CloseIdleConnections()
	for w.server.Connections() > 0 {
		<-time.After(time.Millisecond)
	}
	p.gone()
}
