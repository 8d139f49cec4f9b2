package server_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
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
		for late := time.After(patience); w.server.Connections() < 5; {
			select {
			case got := <-polled:
				t.Fatalf("the poll has ended before: %s", got)
			case <-late:
				t.Fatalf("%d of 5 have come", w.server.Connections())
			case <-time.After(time.Millisecond):
			}
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
			if ms, err := strconv.Atoi(after); !found || err != nil || ms < 1 || ms > int(over.Milliseconds())/10+1 || s.block() != "" || s.lines.Err() != nil {
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
	return json.Unmarshal([]byte(push), &p) == nil && p.Reconnect.After > 0 && p.Reconnect.After <= over.Milliseconds()/10+1
}

// A draining server is not ready, and serves everything that comes nevertheless: the balancer may have
// nobody else. Its answers end their connections.
func TestWhileDraining(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		if answer := w.request("GET", "/readyz", ""); answer.StatusCode != 200 || answer.Close {
			t.Errorf("ready: %s, %v", answer.Status, answer.Header)
		}
		one, other := w.dial("/channels/a"), w.dial("/channels/a")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.server.Drain(ctx, time.Hour) }()
		for w.request("GET", "/readyz", "").StatusCode != 503 {
			<-time.After(time.Millisecond)
		}

		for _, headers := range [][]string{nil, {"Sec-WebSocket-Protocol: maru.v1"}} {
			if status := w.upgrade("/", headers...); status != 101 {
				t.Errorf("an upgrade with %v: %d", headers, status)
			}
		}
		w.events("/") // fails if it is refused
		for path, method := range map[string]string{"/healthz": "GET", "/channels/a": "POST", "/": "GET", "/channels/b?wait=1": "GET"} {
			answer := w.request(method, path, "still here")
			if answer.StatusCode != 200 || answer.ProtoMajor == 1 && !answer.Close {
				t.Errorf("%s %s: %s, %v", method, path, answer.Status, answer.Header)
			}
		}
		// The POST has reached the connections that are still open.
		got := make(chan string, 2)
		for _, s := range []*socket{one, other} {
			go func() {
				ev := s.next()
				got <- string(ev.Payload)
			}()
		}
		if a, b := <-got, <-got; a != "still here" || b != "still here" {
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

// At the end of a drain new live connections are refused, to come back in a second, and publications
// are still accepted. Event streams wait for the restart.
func TestEndOfADrain(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		full := w.dialFull()
		left := make(chan []string, 1)
		go func() { left <- full.leaves() }()
		if err := w.server.Drain(t.Context(), 0); err != nil {
			t.Error(err)
		}
		var push struct{ Reconnect struct{ After int64 } }
		if said := <-left; len(said) != 1 || json.Unmarshal([]byte(said[0]), &push) != nil || push.Reconnect.After < 150 || push.Reconnect.After > 401 {
			t.Errorf("the client received %q", said)
		}
		if status := w.upgrade("/"); status != 503 {
			t.Errorf("an upgrade: %d", status)
		}
		if answer := w.request("GET", "/?wait=1s", ""); answer.StatusCode != 503 || code(answer) != maru.CodeShuttingDown || answer.Header.Get("Retry-After") != "1" {
			t.Errorf("the poll: %s, %v", answer.Status, answer.Header)
		}
		for _, path := range []string{"/", "/channels/a/presence"} {
			answer := w.request("GET", path, "", "Accept: text/event-stream")
			if code, after := refusal(answer); answer.StatusCode != 200 || code != maru.CodeShuttingDown || after < 5*time.Second || after > 11*time.Second {
				t.Errorf("the stream %s: %s, %s, %s", path, answer.Status, code, after)
			}
		}
		for path, method := range map[string]string{"/healthz": "GET", "/channels/a": "POST", "/": "GET"} {
			if answer := w.request(method, path, "still here"); answer.StatusCode != 200 {
				t.Errorf("%s %s: %s", method, path, answer.Status)
			}
		}
	})
}

// Issue 15, 20: with sockets that stay, no publication fails while one server ends and the next one
// starts, on new connections and on kept ones.
func TestSocketsStay(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": certified()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			socket, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Skip("this system does not share a socket:", err)
			}
			defer socket.Close()
			l.Close()
			start := func() *server.Server {
				own, err := net.FileListener(socket)
				if err != nil {
					t.Fatal(err)
				}
				s, err := server.New(server.Options{Open: true, Loopback: true, SocketsStay: true, TLSConfig: config})
				if err != nil {
					t.Fatal(err)
				}
				go s.Serve(own)
				return s
			}
			s := start()
			done := make(chan struct{})
			var publishing sync.WaitGroup
			for _, kept := range []bool{true, false} {
				publishing.Go(func() { publishSteadily(t, config != nil, kept, l.Addr().String(), done) })
			}
			for range 3 {
				if err := s.Drain(t.Context(), 0); err != nil {
					t.Error(err)
				}
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				s = start()
			}
			close(done)
			publishing.Wait()
			s.Shutdown(t.Context())
		})
	}
}

// publishSteadily publishes every few milliseconds until done, and one time more.
func publishSteadily(t *testing.T, secure, kept bool, addr string, done <-chan struct{}) {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: !kept}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: patience}
	url := "http://" + addr + "/channels/a"
	if secure {
		url = "https://" + addr + "/channels/a"
	}
	for n, last := 0, false; !last; n++ {
		select {
		case <-done:
			last = true
		case <-time.After(5 * time.Millisecond):
		}
		answer, err := client.Post(url, "text/plain", strings.NewReader(strconv.Itoa(n)))
		if err != nil {
			t.Errorf("kept %v, publication %d: %v", kept, n, err)
			return
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("kept %v, publication %d: %s", kept, n, answer.Status)
		}
	}
}
