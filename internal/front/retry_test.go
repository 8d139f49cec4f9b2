package front_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/loop"
)

// patience is how long a test waits for an event that must come.
const patience = 20 * time.Second

// scarce is a listener that has no file descriptors for a time, whether or not a connection
// waits.
type scarce struct {
	until  time.Time
	come   chan net.Conn
	closed chan struct{}
	close  func()
}

func newScarce() *scarce {
	l := &scarce{come: make(chan net.Conn, 10), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *scarce) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	if time.Now().Before(l.until) {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	select {
	case nc := <-l.come:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *scarce) Close() error   { l.close(); return nil }
func (l *scarce) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// A net.Listener without file descriptors pauses, reports each shortage once, and then
// serves the connections that waited. The server can end during a shortage.
func TestListenerOutOfFiles(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": certified()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var said bytes.Buffer
				log := slog.New(slog.NewTextHandler(&said, nil))
				e := loop.New(loop.Options{Goroutines: true, Loops: 1})
				defer e.Shutdown(context.Background(), 1001, "")
				l := newScarce()
				h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") })}
				ended := make(chan error)
				serve := func() { ended <- front.Serve(nil, e, h, l, log) }
				if config != nil {
					serve = func() { ended <- front.ServeTLS(nil, h, l, config, log) }
				}
				times := func() int {
					synctest.Wait()
					return strings.Count(said.String(), "cannot take new connections")
				}
				come := func() net.Conn {
					near, far := net.Pipe()
					l.come <- near
					if config != nil {
						return tls.Client(far, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}})
					}
					return far
				}

				served := func(nc net.Conn) {
					t.Helper()
					fmt.Fprint(nc, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
					if answer, err := io.ReadAll(nc); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
						t.Errorf("answered %q, %v", answer, err)
					}
					nc.Close()
				}

				l.until = time.Now().Add(time.Minute)
				go serve()
				for shortage := range 2 {
					waited := []net.Conn{come(), come(), come()}
					<-time.After(time.Minute + time.Second)
					if n := times(); n != shortage+1 {
						t.Errorf("said so %d times, in %d shortages", n, shortage+1)
					}
					for _, nc := range waited {
						served(nc)
					}
					<-time.After(time.Second)
					l.until = time.Now().Add(time.Minute) // from when the next has come on
					served(come())
				}
				h.Close() // in the third
				if err := <-ended; err != http.ErrServerClosed {
					t.Errorf("serve: %v", err)
				}
			})
		})
	}
}
