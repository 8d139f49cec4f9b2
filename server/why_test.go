package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// line is one line of the log, as JSON.
type line map[string]any

// lines are those of the log with that message, once there are so many.
func (b *syncBuffer) lines(t *testing.T, message string, atLeast int) (found []line) {
	t.Helper()
	for end := time.Now().Add(patience); ; runtime.Gosched() {
		found = nil
		for text := range bytes.Lines(b.Bytes()) {
			var l line
			if err := json.Unmarshal(text, &l); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			if l["msg"] == message {
				found = append(found, l)
			}
		}
		if len(found) >= atLeast {
			return found
		}
		if time.Now().After(end) {
			t.Fatalf("%d lines %q, want %d, in\n%s", len(found), message, atLeast, b.Bytes())
		}
	}
}

// logged returns the options with a log in JSON of that level.
func logged(o server.Options, level slog.Level) (server.Options, *syncBuffer) {
	log := new(syncBuffer)
	o.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: level}))
	return o, log
}

// Issue 15 §16: why was kim disconnected? One line of the default level for each end that was not
// the client's own wish, on every transport, with all that explains it, each of one type.
func TestWhyTheConnectionEnded(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]struct {
		do     func(w *world)
		code   string
		reason string
	}{
		"a back end": {func(w *world) { w.admin("disconnect", `{"user":"kim"}`) }, "revoked", "was ended"},
		"a reload": {func(w *world) {
			a := roomy().Access
			a.Namespaces = map[string]server.Namespace{"room": {}}
			if err := w.server.Reload(a); err != nil {
				w.t.Error(err)
			}
		}, "not_allowed", "not allowed"},
		"a drain": {func(w *world) { w.server.Drain(w.t.Context(), time.Second) }, "shutting_down", "is shutting down"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, secure := range []bool{false, true} {
				o, log := logged(roomy(), slog.LevelInfo)
				if secure {
					o.TLSConfig = certified() // and HTTP/2 for streams and polls
				}
				w := newWorld(t, o)
				ends := w.everywhere(kimsToken(t))
				var ended sync.WaitGroup
				for transport, end := range ends {
					if name == "a reload" && transport == "maru.v1" {
						continue // it loses its subscription, and stays
					}
					ended.Go(func() { end() })
				}
				end.do(w)
				ended.Wait()
				want := len(ends)
				if name != "a back end" {
					want-- // maru.v1 stays at a reload; in a drain a poll is answered
				}
				transports := make(map[string]bool)
				for _, l := range log.lines(t, "disconnected", want) {
					transports[fmt.Sprint(l["transport"])] = true
					if l["user"] != "kim" || l["code"] != end.code || !strings.Contains(fmt.Sprint(l["reason"]), end.reason) {
						t.Errorf("TLS %v: %v", secure, l)
					}
					explains(t, l)
				}
				if len(transports) != want {
					t.Errorf("TLS %v: lines of %v, want %d", secure, transports, want)
				}
			}
		})
	}
}

// explains checks that a line about an end has everything, each of the documented type.
func explains(t *testing.T, l line) {
	t.Helper()
	for key, kind := range map[string]any{
		"level": "", "connection": "", "addr": "", "transport": "", "channels": []any(nil), "code": "", "reason": "",
		"lived_seconds": 0.0, "waiting_bytes": 0.0, "waiting_messages": 0.0,
	} {
		if got, want := fmt.Sprintf("%T", l[key]), fmt.Sprintf("%T", kind); got != want {
			t.Errorf("%s is %v, a %s, want a %s", key, l[key], got, want)
		}
	}
	if text := fmt.Sprint(l["channels"]); text != "[room:1]" {
		t.Errorf("channels %s", text)
	}
	if n, is := l["close_code"]; is {
		if _, number := n.(float64); !number {
			t.Errorf("close_code is %v", n)
		}
	}
}

// What a client wants itself is not in the log at its default level. At debug it is, and a
// connection of maru.v1 has the user of its connect command.
func TestTheClientsOwnWish(t *testing.T) {
	t.Parallel()
	for level, want := range map[slog.Level]int{slog.LevelInfo: 0, slog.LevelDebug: 4} {
		o, log := logged(roomy(), level)
		w := newWorld(t, o)
		proof := kimsToken(t)
		raw, full := w.dialAs("/channels/room:1", "maru.raw", "maru.token."+proof), w.dialAs("/", "maru.v1")
		full.send(frame.Text, `{"id":1,"connect":{"token":"`+proof+`"}}`)
		full.next()
		bye, _ := frame.ClosePayload(1000, "slow") // whatever it says
		raw.send(frame.Close, string(bye))
		full.send(frame.Close, string(bye))
		raw.closed()
		full.closed()
		w.request("GET", "/channels/room:1", "", bearer(proof), "Accept: text/event-stream").Body.Close()
		w.request("GET", "/channels/room:1?wait=1ms", "", bearer(proof))
		for w.server.Connections() > 0 {
			runtime.Gosched()
		}
		ended := log.lines(t, "disconnected", want)
		if len(ended) != want {
			t.Errorf("%v: %d lines:\n%s", level, len(ended), log.Bytes())
		}
		for _, l := range ended {
			if l["user"] != "kim" || l["code"] != "closed" && l["code"] != "answered" {
				t.Errorf("%v", l)
			}
		}
		if level == slog.LevelDebug && (len(log.lines(t, "connected", want)) != want || log.lines(t, "identified", 1)[0]["user"] != "kim") {
			t.Errorf("%s", log.Bytes())
		}
	}
}

// A client that vanishes is in the log, too. A slow one is with what waited for it, and with the
// bound.
func TestLostAndSlow(t *testing.T) {
	t.Parallel()
	o, log := logged(server.Options{BacklogBytes: 200_000}, slog.LevelInfo)
	w := newWorld(t, o)
	lost, slow := w.dial("/channels/a"), w.dial("/channels/a")
	lost.nc.Close()
	if l := log.lines(t, "disconnected", 1)[0]; l["code"] != "lost" || l["close_code"] != 1006.0 {
		t.Errorf("%v", l)
	}
	for full := false; !full; {
		w.publish(strings.Repeat("x", 50_000))
		metrics, _ := io.ReadAll(w.request("GET", "/metrics", "").Body)
		full = bytes.Contains(metrics, []byte(`maru_slow_total{bound="bytes"} 1`))
	}
	slow.nc.Close()
	l := log.lines(t, "disconnected", 2)[1]
	if l["code"] != "slow" || l["waiting_messages"].(float64) < 1 || l["waiting_bytes"].(float64) < 50_000 || !strings.Contains(l["reason"].(string), "(bytes)") {
		t.Errorf("%v", l)
	}
}

// Issue 15 §16: a refused request names the person, whatever it wanted. A mistake in a request is no
// refusal.
func TestRefusalsNameThePerson(t *testing.T) {
	t.Parallel()
	o, log := logged(roomy(), slog.LevelInfo)
	w := newWorld(t, o)
	proof := bearer(kimsToken(t))
	for _, refuse := range []func(){
		func() { w.request("POST", "/channels/board:1", "x", proof) },
		func() { w.request("GET", "/channels/board:1?last=1", "", proof) },
		func() { w.request("GET", "/channels/board:1?wait=1s", "", proof) },
		func() { w.request("GET", "/channels/board:1", "", proof, "Accept: text/event-stream") },
		func() { w.upgrade("/channels/board:1", proof) },
	} {
		before := len(log.lines(t, "refused", 0))
		refuse()
		all := log.lines(t, "refused", before+1)
		l := all[before]
		if len(all) != before+1 || l["user"] != "kim" || l["code"] != "not_allowed" || l["addr"] == nil || l["path"] == nil {
			t.Errorf("%v", all[before:])
		}
	}
	w.request("POST", "/channels/room:1?version=x", "x", proof)
	if n := len(log.lines(t, "refused", 5)); n != 5 {
		t.Errorf("%d lines: a mistake is one of them", n)
	}
}

// Issue 15 §17: a refusal of maru.v1 has the address and the connection, as one of a request has
// its address.
func TestRefusalsOfCommands(t *testing.T) {
	t.Parallel()
	o, log := logged(roomy(), slog.LevelInfo)
	w := newWorld(t, o)
	full := w.dialAs("/", "maru.v1")
	full.send(frame.Text, `{"id":1,"connect":{"token":"`+kimsToken(t)+`"}}`)
	full.next()
	full.send(frame.Text, `{"id":2,"subscribe":{"channel":"board:1"}}`)
	full.next()
	full.send(frame.Text, `{"id":3,"refresh":{"token":"not.a.token"}}`)
	full.next()
	refused := log.lines(t, "refused", 2)
	for i, want := range []line{
		{"code": "not_allowed", "command": "subscribe", "channel": "board:1", "user": "kim", "transport": "maru.v1"},
		{"code": "bad_token", "user": "kim", "transport": "maru.v1"},
	} {
		for key, value := range want {
			if refused[i][key] != value {
				t.Errorf("%s is %v, want %v, in %v", key, refused[i][key], value, refused[i])
			}
		}
		if refused[i]["connection"] == nil || refused[i]["addr"] == nil || refused[i]["reason"] == "" {
			t.Errorf("%v", refused[i])
		}
	}
}
