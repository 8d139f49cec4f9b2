package front_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/loop"
)

// When accepting ends, connections wait for another process that has the same socket, and those
// that were accepted before are served further.
func TestAcceptingEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ goroutines, secure bool }{
		"loops": {}, "goroutines": {goroutines: true}, "TLS": {secure: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			file, err := l.(*net.TCPListener).File()
			if err != nil {
				t.Skip("this system does not share a socket:", err)
			}
			defer file.Close()
			next, err := net.FileListener(file)
			if err != nil {
				t.Fatal(err)
			}
			defer next.Close()

			accepting := new(front.Accepting)
			e := loop.New(loop.Options{Goroutines: c.goroutines})
			defer e.Shutdown(context.Background(), 1001, "")
			h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "here") })}
			ended := make(chan error, 1)
			go func() {
				if c.secure {
					ended <- front.ServeTLS(accepting, h, l, certified(), slog.New(slog.DiscardHandler))
				} else {
					ended <- front.Serve(accepting, e, h, l, slog.New(slog.DiscardHandler))
				}
			}()
			kept := connect(t, l.Addr().String(), c.secure)
			ask(t, kept)
			accepting.End()
			for range 10 {
				nc, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprint(nc, "GET / HTTP/1.1\r\n") // or it is not accepted for a second (deferAccept)
				next.(*net.TCPListener).SetDeadline(time.Now().Add(10 * time.Second))
				other, err := next.Accept()
				if err != nil {
					t.Fatal("connections are still accepted", err)
				}
				other.Close()
				nc.Close()
			}
			ask(t, kept)
			h.Close()
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
}

func connect(t *testing.T, addr string, secure bool) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
	}
	t.Cleanup(func() { nc.Close() })
	return nc
}

// ask makes a request on a connection that is kept.
func ask(t *testing.T, nc net.Conn) {
	t.Helper()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(answer.Body); string(body) != "here" {
		t.Fatalf("%q, %v", body, err)
	}
}
