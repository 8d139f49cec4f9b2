package server_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/server"
)

// dialFull opens a connection of maru.v1, and sends connect.
func (w *world) dialFull() *socket {
	w.t.Helper()
	up, _, err := handshake.Dial(w.t.Context(), strings.Replace(w.url, "http", "ws", 1), handshake.DialOptions{
		NoDeflate: true, TLSConfig: w.tls, Subprotocols: []string{"maru.v1"},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { up.Conn.Close() })
	s := &socket{t: w.t, nc: up.Conn, unread: up.Buffered}
	s.send(frame.Text, `{"id":1,"connect":{}}`)
	s.next()
	return s
}

// leaves waits for a close frame and answers it; it returns the messages before.
func (s *socket) leaves() (before []string) {
	s.t.Helper()
	for {
		ev := s.next()
		if ev.Op != frame.Close {
			before = append(before, string(ev.Payload))
			continue
		}
		if ev.Code != maru.CloseGoingAway || ev.Reason != "shutting_down" {
			s.t.Errorf("closed with %d %s", ev.Code, ev.Reason)
		}
		payload, _ := frame.ClosePayload(ev.Code, ev.Reason)
		s.send(frame.Close, string(payload))
		return before
	}
}

// poll waits for a publication, and returns the answer.
func (w *world) poll() <-chan string {
	got := make(chan string, 1)
	go func() {
		r, _ := http.NewRequestWithContext(w.t.Context(), "GET", w.url+"/channels/poll?wait=20s", nil)
		answer, err := w.http.Do(r)
		if err != nil {
			got <- err.Error()
			return
		}
		defer answer.Body.Close()
		var h struct{ Publications []any }
		err = json.NewDecoder(answer.Body).Decode(&h)
		got <- fmt.Sprint(answer.StatusCode, len(h.Publications), err)
	}()
	return got
}

// All connections are closed within the time, and are sent when to reconnect if their protocol has a
// message for it.
func TestDrain(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		const over = 2 * time.Second
		full, raw := w.dialFull(), w.dial("/")
		events, presence := w.events("/"), w.events("/channels/hall/presence")
		polled := w.poll()
		for w.server.Connections() < 5 {
			<-time.After(time.Millisecond)
		}

		ended := make(chan error)
		go func() { ended <- w.server.Drain(t.Context(), over) }()
		socketsLeft := make(chan []string, 2)
		go func() { socketsLeft <- raw.leaves() }()
		go func() { socketsLeft <- full.leaves() }()
		if said := append(<-socketsLeft, <-socketsLeft...); len(said) != 1 || !isReconnect(said[0], over) {
			t.Errorf("the sockets received %q", said)
		}
		for name, s := range map[string]*stream{"channel": events, "presence": presence} {
			block := s.block()
			for strings.HasPrefix(block, "data: ") { // published during the drain
				block = s.block()
			}
			after, found := strings.CutPrefix(block, "retry: ")
			if ms, err := strconv.Atoi(after); !found || err != nil || ms < 5000 || ms > int(over.Milliseconds())+10_000 || s.block() != "" || s.lines.Err() != nil {
				t.Errorf("the stream of the %s: retry %q, %v", name, after, s.lines.Err())
			}
		}
		if got := <-polled; got != "200 0 <nil>" {
			t.Errorf("the poll got %s", got)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := w.server.Connections(); n != 0 {
			t.Errorf("%d are left", n)
		}
		if err := w.server.Drain(t.Context(), time.Hour); err != nil { // at once
			t.Error(err)
		}
	})
}

func isReconnect(push string, over time.Duration) bool {
	var p struct{ Reconnect struct{ After int64 } }
	return json.Unmarshal([]byte(push), &p) == nil && p.Reconnect.After > 0 && p.Reconnect.After <= over.Milliseconds()
}

// A draining server refuses new connections, and does everything else.
func TestWhileDraining(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		if answer := w.request("GET", "/readyz", ""); answer.StatusCode != 200 {
			t.Errorf("ready: %s", answer.Status)
		}
		one, other := w.dial("/channels/a"), w.dial("/channels/a")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.server.Drain(ctx, time.Hour) }()
		for w.request("GET", "/readyz", "").StatusCode != 503 {
			<-time.After(time.Millisecond)
		}

		for _, headers := range [][]string{nil, {"Sec-WebSocket-Protocol: maru.v1"}} {
			if status := w.upgrade("/", headers...); status != 503 {
				t.Errorf("an upgrade with %v: %d", headers, status)
			}
		}
		answer := w.request("GET", "/?wait=1s", "")
		after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		if answer.StatusCode != 503 || code(answer) != maru.CodeShuttingDown || after < 3000 || after > 3600 {
			t.Errorf("the poll: %s, %v", answer.Status, answer.Header)
		}
		for _, path := range []string{"/", "/channels/a/presence"} {
			answer := w.request("GET", path, "", "Accept: text/event-stream")
			if code, after := refusal(answer); answer.StatusCode != 200 || code != maru.CodeShuttingDown || after < 50*time.Minute || after > 61*time.Minute {
				t.Errorf("the stream %s: %s, %s, %s", path, answer.Status, code, after)
			}
		}
		for path, method := range map[string]string{"/healthz": "GET", "/channels/a": "POST", "/": "GET"} {
			if answer := w.request(method, path, "still here"); answer.StatusCode != 200 {
				t.Errorf("%s %s: %s", method, path, answer.Status)
			}
		}
		// The POST has reached the connections that are still open.
		got := make(chan string, 2)
		for _, s := range []*socket{one, other} {
			go func() {
				ev := s.next()
				got <- cmp.Or(ev.Reason, string(ev.Payload))
			}()
		}
		if a, b := <-got, <-got; a+b != "still hereshutting_down" && a+b != "shutting_downstill here" {
			t.Errorf("the sockets got %q and %q", a, b)
		}

		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		w.cut = true // no client answers the closing handshake
		ctx, cancel = context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		w.server.Shutdown(ctx)
	})
}
