package front_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/front"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
	"maru.example/maru/tests/leaks"
)

func TestMain(m *testing.M) {
	leaks.Main(m)
}

// echo sends back what it gets.
type echo struct{ conn loop.Conn }

func (e echo) Message(op frame.Opcode, data []byte) { e.conn.Send(loop.NewMessage(op, data)) }
func (e echo) Closed(int, string, error)            {}

// start serves an echo at /ws, a refusal at /no, a panic at /panic, and the rest of HTTP.
// Both paths of a request run over one table: with loops, and without.
func start(t *testing.T, goroutines bool) string {
	t.Helper()
	return serve(t, goroutines, nil)
}

func serve(t *testing.T, goroutines bool, config *tls.Config) string {
	t.Helper()
	e := loop.New(loop.Options{Goroutines: goroutines, CloseTimeout: time.Second})
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		up, err := handshake.Accept(w, r, handshake.Options{})
		if err != nil {
			return
		}
		e.Open(up.Conn, up.Buffered, loop.Params{Preface: up.Answer}, func(c loop.Conn) loop.Handler { return echo{c} })
	})
	mux.HandleFunc("/no", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Addr", r.RemoteAddr)
		http.Error(w, "no", http.StatusForbidden)
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("on purpose") })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %d", r.Method, r.URL.Path, len(body))
	})
	return serveHandler(t, e, config, mux)
}

func serveHandler(t *testing.T, e *loop.Engine, config *tls.Config, handler http.Handler) string {
	t.Helper()
	return serveListener(t, e, config, handler, func(l net.Listener) net.Listener { return l })
}

func serveListener(t *testing.T, e *loop.Engine, config *tls.Config, handler http.Handler, wrap func(net.Listener) net.Listener) string {
	t.Helper()
	silent := slog.New(slog.DiscardHandler)
	h := &http.Server{Handler: handler, MaxHeaderBytes: 16 << 10, ReadHeaderTimeout: 300 * time.Millisecond,
		ErrorLog: slog.NewLogLogger(silent.Handler(), 0), ConnContext: front.ConnContext}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	wrapped := wrap(l)
	go func() {
		if config != nil {
			ended <- front.ServeTLS(nil, h, wrapped, config, silent)
		} else {
			ended <- front.Serve(nil, e, h, wrapped, silent)
		}
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		h.Close()
		if err := <-ended; err != http.ErrServerClosed {
			t.Errorf("serve: %v", err)
		}
		if err := e.Shutdown(ctx, 1001, ""); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
			t.Error("still listening")
		}
	})
	return l.Addr().String()
}

const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

func upgradeTo(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" + key + "\r\n"
}

var helloFrame = string(frame.AppendMasked(nil, frame.Text, false, [4]byte{1, 2, 3, 4}, []byte("hello")))

func TestRequests(t *testing.T) {
	t.Parallel()
	const switching, refused = "HTTP/1.1 101 ", "HTTP/1.1 400 "
	for _, goroutines := range []bool{false, true} {
		addr := start(t, goroutines)
		for what, c := range map[string]struct{ send, begins, contains string }{
			"upgrade":                {upgradeTo("/ws"), switching, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
			"upgrade and a frame":    {upgradeTo("/ws") + helloFrame, switching, "hello"},
			"bare LF":                {strings.ReplaceAll(upgradeTo("/ws"), "\r\n", "\n") + helloFrame, switching, "hello"},
			"upgrade in lower case":  {strings.Replace(upgradeTo("/ws"), "Upgrade: websocket", "upgrade:  WebSocket ", 1), switching, ""},
			"refused":                {upgradeTo("/no"), "HTTP/1.1 403 ", "no"},
			"panic":                  {upgradeTo("/panic"), "", ""},
			"wrong version":          {strings.Replace(upgradeTo("/ws"), "13", "8", 1), "HTTP/1.1 426 ", "Sec-Websocket-Version: 13"},
			"no key":                 {strings.Replace(upgradeTo("/ws"), key, "", 1), refused, ""},
			"two hosts":              {strings.Replace(upgradeTo("/ws"), "Host: localhost\r\n", "Host: a\r\nHost: b\r\n", 1), refused, ""},
			"no host":                {strings.Replace(upgradeTo("/ws"), "Host: localhost\r\n", "", 1), refused, ""},
			"malformed header":       {strings.Replace(upgradeTo("/ws"), "Host: localhost", "Host: localhost\r\nBad Name: x", 1), refused, ""},
			"control character":      {strings.Replace(upgradeTo("/ws"), "localhost", "local\x01host", 1), refused, ""},
			"malformed request line": {strings.Replace(upgradeTo("/ws"), "/ws", "/w s", 1), refused, ""},
			"malformed escape":       {strings.Replace(upgradeTo("/ws"), "/ws", "/%zz", 1), refused, ""},
			"header block too large": {"GET /ws HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 40<<10) + "\r\n\r\n", "HTTP/1.1 431 ", ""},
			"GET":                    {"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /a 0"},
			"POST":                   {"POST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 ", "POST /a 5"},
			"upgrade as second":      {"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n" + upgradeTo("/ws") + helloFrame, "HTTP/1.1 200 ", "hello"},
			"not HTTP":               {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", refused, ""},
			"nothing":                {"", "", ""},

			// Issue 15 §8, RFC 9112 §2.2
			"empty line, upgrade":  {"\r\n" + upgradeTo("/ws") + helloFrame, switching, "hello"},
			"empty line, GET":      {"\r\nGET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /a 0"},
			"empty line, POST":     {"\r\nPOST /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 ", "POST /a 5"},
			"empty lines, upgrade": {"\r\n\n\r\n" + upgradeTo("/ws") + helloFrame, switching, "hello"},
			"empty line behind a body": {"POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello\r\n" + upgradeTo("/ws") + helloFrame,
				"HTTP/1.1 200 ", "\x81\x05hello"},
			"CR alone":         {"\r" + upgradeTo("/ws"), refused, ""},
			"empty lines only": {"\r\n\r\n", "", ""},

			"half a request, no more": {"GET /ws HTTP/1.1\r\nHos", "", ""},
		} {
			name := fmt.Sprintf("goroutines=%v/%s", goroutines, what)
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := talk(t, addr, c.contains, c.send)
				if !strings.HasPrefix(got, c.begins) || !strings.Contains(got, c.contains) {
					t.Errorf("got %.300q", got)
				}
				if c.begins == "" && c.contains == "" && what != "panic" && strings.Contains(got, "200") {
					t.Errorf("got %.300q", got)
				}
			})
		}
	}
}

// inline serves requests without a query inline.
type inline struct{ http.HandlerFunc }

func (inline) Inline(r *http.Request) bool { return r.URL.RawQuery == "" }

// A request that is served inline runs on the loop, any other in a goroutine. A panic in
// either is answered with 500.
func TestInline(t *testing.T) {
	t.Parallel()
	e := loop.New(loop.Options{})
	addr := serveHandler(t, e, nil, inline{func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic("on purpose")
		}
		stack := make([]byte, 64<<10)
		stack = stack[:runtime.Stack(stack, false)]
		w.Header().Set("X-On-Loop", fmt.Sprint(bytes.Contains(stack, []byte("loop.(*Loop).run("))))
		if up, err := handshake.Accept(w, r, handshake.Options{Header: w.Header()}); err == nil {
			e.Open(up.Conn, up.Buffered, loop.Params{Preface: up.Answer}, func(c loop.Conn) loop.Handler { return echo{c} })
		}
	}})
	long := "/?q=" + strings.Repeat("x", 4<<10)
	for path, want := range map[string]string{"/": "X-On-Loop: true", "/?q": "X-On-Loop: false", long: "X-On-Loop: false", "/" + long[4:]: "X-On-Loop: true"} {
		if got := talk(t, addr, "hello", upgradeTo(path)+helloFrame); !strings.Contains(got, want) || !strings.HasSuffix(got, "hello") {
			t.Errorf("%.20s: %q", path, got)
		}
	}
	for _, path := range []string{"/panic", "/panic?q"} {
		if got := talk(t, addr, "", upgradeTo(path)); !strings.HasPrefix(got, "HTTP/1.1 500 ") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

// A response that is served inline has nothing of the response before it.
func TestAnswersInline(t *testing.T) {
	t.Parallel()
	e := loop.New(loop.Options{Loops: 1})
	addr := serveHandler(t, e, nil, inline{func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/refused":
			w.Header().Set("X-Refused", r.RemoteAddr)
			http.Error(w, "not you", http.StatusForbidden)
		case "/panic":
			w.Header().Set("X-Panic", "")
			panic("on purpose")
		case "/ws":
			if up, err := handshake.Accept(w, r, handshake.Options{Header: w.Header()}); err == nil {
				e.Open(up.Conn, up.Buffered, loop.Params{Preface: up.Answer}, func(c loop.Conn) loop.Handler { return echo{c} })
			}
		}
	}})
	for range 3 {
		for _, c := range []struct{ send, until, begins string }{
			{upgradeTo("/refused"), "not you", "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 8\r\nContent-Type: text/plain"},
			{upgradeTo("/nothing"), "\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\nDate: "},
			{upgradeTo("/ws") + helloFrame, "hello", "HTTP/1.1 101 "},
			{upgradeTo("/ws"), "\r\n\r\n", "HTTP/1.1 101 "},
			{upgradeTo("/panic"), "\r\n\r\n", "HTTP/1.1 500 "},
		} {
			got := talk(t, addr, c.until, c.send)
			if !strings.HasPrefix(got, c.begins) || strings.Contains(got, "X-Refused") != strings.Contains(c.send, "refused") || strings.Contains(got, "X-Panic") {
				t.Errorf("%.20q: got %q", c.send, got)
			}
		}
	}
}

// A handshake may come in any two pieces.
func TestSplit(t *testing.T) {
	t.Parallel()
	addr := start(t, false)
	whole := "\r\n" + upgradeTo("/ws") + helloFrame
	for at := 1; at < len(whole); at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			if got := talk(t, addr, "hello", whole[:at], whole[at:]); !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.Contains(got, "hello") {
				t.Errorf("got %.300q", got)
			}
		})
	}
}

// A request may come a byte at a time, each in a segment of its own, on either path.
func TestByteByByte(t *testing.T) {
	t.Parallel()
	for _, goroutines := range []bool{false, true} {
		addr := start(t, goroutines)
		for what, c := range map[string]struct{ send, begins, contains string }{
			"upgrade": {"\r\n" + upgradeTo("/ws") + helloFrame, "HTTP/1.1 101 ", "hello"},
			"refused": {upgradeTo("/no"), "HTTP/1.1 403 ", "no"},
			"GET":     {"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /a 0"},
			"second":  {"\r\nGET /a HTTP/1.1\r\nHost: localhost\r\n\r\n" + upgradeTo("/ws") + helloFrame, "HTTP/1.1 200 ", "hello"},
		} {
			t.Run(fmt.Sprintf("goroutines=%v/%s", goroutines, what), func(t *testing.T) {
				t.Parallel()
				got := talk(t, addr, c.contains, strings.Split(c.send, "")...)
				if !strings.HasPrefix(got, c.begins) || !strings.Contains(got, c.contains) {
					t.Errorf("got %.300q", got)
				}
			})
		}
	}
}

// A client that sends a header block a byte at a time is cut off at the timeout, like a
// silent one: a byte does not extend the time.
func TestHeaderBlockThatNeverEnds(t *testing.T) {
	t.Parallel()
	for _, goroutines := range []bool{false, true} {
		addr := start(t, goroutines)
		for what, begins := range map[string]string{
			"upgrade": strings.TrimSuffix(upgradeTo("/ws"), "\r\n"),
			"GET":     "GET / HTTP/1.1\r\nHost: localhost\r\n",
			"POST":    "POST / HTTP/1.1\r\nHost: localhost\r\n",
			"nothing": "",
		} {
			t.Run(fmt.Sprintf("goroutines=%v/%s", goroutines, what), func(t *testing.T) {
				t.Parallel()
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				nc.SetDeadline(time.Now().Add(10 * time.Second))
				var writing sync.WaitGroup
				defer writing.Wait()
				defer nc.Close()
				writing.Go(func() {
					for _, err := io.WriteString(nc, begins); err == nil && begins != ""; _, err = io.WriteString(nc, "x") {
						<-time.After(20 * time.Millisecond)
					}
				})
				if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("it goes on")
				}
			})
		}
	}
}

// talk sends the pieces and reads until the text has come or the stream ends.
func talk(t *testing.T, addr string, until string, pieces ...string) string {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return talkOver(t, nc, until, pieces...)
}

func talkOver(t *testing.T, nc net.Conn, until string, pieces ...string) string {
	t.Helper()
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	for _, piece := range pieces {
		nc.Write([]byte(piece))
	}
	var got strings.Builder
	r := bufio.NewReader(nc)
	for {
		b, err := r.ReadByte()
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() {
				t.Fatalf("no end after %.300q", got.String())
			}
			return got.String()
		}
		got.WriteByte(b)
		if s := got.String(); until != "" && strings.Contains(s, until) || until == "" && strings.HasSuffix(s, "\r\n\r\n") {
			return s
		}
	}
}
