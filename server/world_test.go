package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/server"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// world is a server on a real port, plain or with TLS, where goroutines serve
// the connections, not loops.
type world struct {
	t      *testing.T
	server *server.Server
	served chan error
	addr   string
	url    string
	http   *http.Client
	tls    *tls.Config // of clients
	cut    bool        // the test has cut the server
}

// over runs a test over plain TCP and over TLS.
func over(t *testing.T, o server.Options, test func(t *testing.T, w *world)) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		test(t, newWorld(t, o))
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		secure := o
		secure.TLSConfig = certified()
		test(t, newWorld(t, secure))
	})
}

// certified is a TLS configuration with httptest's certificate for 127.0.0.1.
func certified() *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

// serve serves o on a port of its own; served gets the error of Serve. The caller shuts the server
// down.
func serve(t *testing.T, o server.Options) (s *server.Server, served chan error, addr string) {
	t.Helper()
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return s, served, l.Addr().String()
}

func newWorld(t *testing.T, o server.Options) *world {
	o.Open, o.Loopback = true, true
	s, served, addr := serve(t, o)
	w := &world{t: t, server: s, served: served, addr: addr}
	w.url = "http://" + w.addr
	transport, leave := newTransport()
	if o.TLSConfig != nil {
		w.url = "https://" + w.addr
		w.tls = &tls.Config{InsecureSkipVerify: true}
		transport.TLSClientConfig, transport.ForceAttemptHTTP2 = w.tls.Clone(), true
	}
	w.http = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		leave() // the server would wait a second for a client of HTTP/2
		w.shutdown()
		transport.CloseIdleConnections()
	})
	return w
}

// newTransport returns a transport and a function that closes all its connections.
func newTransport() (transport *http.Transport, leave func()) {
	var mu sync.Mutex
	var all []net.Conn
	transport = &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			all = append(all, nc)
		}
		return nc, err
	}}
	return transport, func() {
		mu.Lock()
		defer mu.Unlock()
		for _, nc := range all {
			nc.Close()
		}
	}
}

// shutdown shuts the server down with a time limit.
func (w *world) shutdown() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.server.Shutdown(ctx); err != nil && !w.cut {
		w.t.Error(err)
	}
}

func (w *world) publish(text string) {
	w.t.Helper()
	if _, err := w.server.Publish(w.t.Context(), "a", &maru.Publication{Data: []byte(text)}); err != nil {
		w.t.Fatal(err)
	}
}

// request answers with the response; its body is closed with the test.
func (w *world) request(method, path, body string, headers ...string) *http.Response {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := w.http.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// code is the error code in an answer.
func code(answer *http.Response) maru.Code {
	var body struct {
		Error struct{ Code maru.Code }
	}
	json.NewDecoder(answer.Body).Decode(&body)
	return body.Error.Code
}

// refusal is the code of an event stream that was refused for now, with status 200, and when it
// may come back.
func refusal(answer *http.Response) (code maru.Code, after time.Duration) {
	if answer.ContentLength <= 0 || answer.Header.Get("Content-Type") != "text/event-stream" {
		return "", 0
	}
	body, _ := io.ReadAll(answer.Body)
	var ms int
	var data string
	if _, err := fmt.Sscanf(string(body), "retry: %d\nevent: refused\ndata: %s", &ms, &data); err != nil {
		return "", 0
	}
	_, text, _ := strings.Cut(string(body), "data: ")
	var e struct{ Code maru.Code }
	json.Unmarshal([]byte(strings.TrimSpace(text)), &e)
	return e.Code, time.Duration(ms) * time.Millisecond
}

// stream is an event stream being read.
type stream struct {
	t     *testing.T
	body  io.Closer
	lines *bufio.Scanner
}

// events opens an event stream and reads its first block.
func (w *world) events(path string) *stream {
	w.t.Helper()
	answer := w.request("GET", path, "", "Accept: text/event-stream")
	if answer.StatusCode != 200 {
		w.t.Fatal(answer.Status)
	}
	s := &stream{w.t, answer.Body, bufio.NewScanner(answer.Body)}
	s.block()
	return s
}

// block is the next block but for its id and padding; "" at the end of the stream.
func (s *stream) block() string {
	var lines []string
	for s.lines.Scan() && s.lines.Text() != "" {
		if !strings.HasPrefix(s.lines.Text(), "id: ") && !strings.HasPrefix(s.lines.Text(), ": ") {
			lines = append(lines, s.lines.Text())
		}
	}
	return strings.Join(lines, "\n")
}

// socket is a WebSocket client.
type socket struct {
	t      *testing.T
	nc     net.Conn
	reader frame.Reader
	unread []byte
}

func (w *world) dial(path string) *socket {
	w.t.Helper()
	url := strings.Replace(w.url, "http", "ws", 1) + path
	up, _, err := handshake.Dial(w.t.Context(), url, handshake.DialOptions{NoDeflate: true, TLSConfig: w.tls})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { up.Conn.Close() })
	return &socket{t: w.t, nc: up.Conn, unread: up.Buffered}
}

func (s *socket) send(op frame.Opcode, payload string) {
	s.t.Helper()
	s.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.nc.Write(frame.AppendMasked(nil, op, false, frame.NewMaskKey(), []byte(payload))); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) next() frame.Event {
	s.t.Helper()
	for {
		for len(s.unread) > 0 {
			ev, n, err := s.reader.Next(s.unread, &frame.Rules{Client: true})
			if err != nil {
				s.t.Fatal(err)
			}
			s.unread = s.unread[n:]
			if ev.Op != 0 {
				return ev
			}
		}
		buf := make([]byte, 4096)
		s.nc.SetReadDeadline(time.Now().Add(patience))
		n, err := s.nc.Read(buf)
		if err != nil {
			s.t.Fatal(err)
		}
		s.unread = buf[:n]
	}
}

func isCode(err error, c maru.Code) bool { return errors.Is(err, &maru.Error{Code: c}) }

// upgrade is the status that a request for a WebSocket gets. Headers are "Name: value".
func (w *world) upgrade(path string, headers ...string) int {
	w.t.Helper()
	url := strings.Replace(w.url, "http", "ws", 1) + path
	h := make(http.Header)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	up, answer, err := handshake.Dial(w.t.Context(), url, handshake.DialOptions{NoDeflate: true, TLSConfig: w.tls, Header: h})
	if err == nil {
		up.Conn.Close()
		return http.StatusSwitchingProtocols
	}
	if answer == nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode
}

func history(t *testing.T, answer *http.Response) (h struct{ Publications []maru.Publication }) {
	t.Helper()
	if err := json.NewDecoder(answer.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h
}

func contains(data []byte, part string) bool { return strings.Contains(string(data), part) }

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.Buffer.Bytes())
}
