package front_test

import (
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/front"
)

// certified is a TLS configuration with httptest's certificate for 127.0.0.1.
func certified() *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

// Over TLS every request goes through net/http, with the same result.
func TestSecure(t *testing.T) {
	t.Parallel()
	for _, goroutines := range []bool{false, true} {
		addr := serve(t, goroutines, certified())
		for what, c := range map[string]struct{ send, begins, contains string }{
			"upgrade":             {upgradeTo("/ws"), "HTTP/1.1 101 ", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
			"upgrade and a frame": {upgradeTo("/ws") + helloFrame, "HTTP/1.1 101 ", "hello"},
			"refused":             {upgradeTo("/no"), "HTTP/1.1 403 ", "no"},
			"GET":                 {"GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /a 0"},
			"empty line, upgrade": {"\r\n" + upgradeTo("/ws") + helloFrame, "HTTP/1.1 101 ", "hello"},
			"empty line, GET":     {"\r\nGET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 ", "GET /a 0"},
			"upgrade as second":   {"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n" + upgradeTo("/ws") + helloFrame, "HTTP/1.1 200 ", "hello"},
		} {
			t.Run(fmt.Sprintf("goroutines=%v/%s", goroutines, what), func(t *testing.T) {
				t.Parallel()
				for _, pieces := range [][]string{{c.send}, strings.Split(c.send, "")} {
					nc := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
					got := talkOver(t, nc, c.contains, pieces...)
					if !strings.HasPrefix(got, c.begins) || !strings.Contains(got, c.contains) {
						t.Errorf("got %.300q", got)
					}
				}
			})
		}
	}
}

// A client that speaks HTTP on a TLS port gets an answer that says so.
func TestPlainToSecure(t *testing.T) {
	t.Parallel()
	addr := serve(t, false, certified())
	if got := talk(t, addr, "HTTPS", upgradeTo("/ws")); !strings.HasPrefix(got, "HTTP/1.0 400 ") {
		t.Errorf("got %.300q", got)
	}
}

// The server speaks HTTP/2 with clients that offer it.
func TestProtocols(t *testing.T) {
	t.Parallel()
	config := certified()
	config.NextProtos = []string{"http/1.1", "other"}
	addr := serve(t, false, config)
	for want, offered := range map[string][]string{
		"h2": {"http/1.1", "h2"}, "http/1.1": {"http/1.1"}, "other": {"other"}, "": nil,
	} {
		nc := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true, NextProtos: offered})
		if err := nc.Handshake(); err != nil {
			t.Error(err)
		} else if got := nc.ConnectionState().NegotiatedProtocol; got != want {
			t.Errorf("offered %v, got %q", offered, got)
		}
	}
}

// Peers that stop in the middle of a handshake block no other, however many they are, and
// are cut off at the timeout.
func TestStalledHandshakes(t *testing.T) {
	t.Parallel()
	addr := serve(t, false, certified())
	var stalled []net.Conn
	for i := range 300 {
		nc := dial(t, addr)
		stalled = append(stalled, nc)
		switch i % 3 {
		case 1:
			io.WriteString(nc, "\x16\x03\x01\x02\x00\x01")
		case 2:
			tls.Client(&firstWrite{Conn: nc}, &tls.Config{InsecureSkipVerify: true}).Handshake()
		}
	}
	nc := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
	if got := talkOver(t, nc, "hello", upgradeTo("/ws")+helloFrame); !strings.Contains(got, "hello") {
		t.Errorf("got %.300q", got)
	}
	for _, nc := range stalled {
		if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("it goes on")
		}
	}
}

// At most four handshakes for each core compute at a time, and every one is done. Not
// parallel: the test looks at all goroutines of the process.
func TestHandshakesAreBounded(t *testing.T) {
	bound := int64(4 * runtime.GOMAXPROCS(0))
	newcomers := 3 * bound
	config := certified()
	var computing atomic.Int64
	goOn := make(chan struct{})
	config.Certificates[0].PrivateKey = slowSigner{config.Certificates[0].PrivateKey.(crypto.Signer), func() {
		computing.Add(1)
		<-goOn
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{ReadHeaderTimeout: patience}
	ended := make(chan error, 1)
	go func() { ended <- front.ServeTLS(nil, h, l, config, slog.New(slog.DiscardHandler)) }()
	defer func() { h.Close(); <-ended }()

	done := make(chan error, newcomers)
	for range newcomers {
		go func() {
			nc, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", l.Addr().String())
			if err == nil {
				nc.Close()
			}
			done <- err
		}()
	}
	waiting := func() int64 {
		stacks := make([]byte, 1<<20)
		return int64(strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "front.(*inTurn).enter("))
	}
	for late := time.Now().Add(patience); ; runtime.Gosched() {
		compute, wait := computing.Load(), waiting()
		if compute == bound && wait == newcomers-bound {
			break
		}
		if compute > bound || time.Now().After(late) {
			t.Errorf("of %d handshakes %d compute, want %d, and %d wait", newcomers, compute, bound, wait)
			break
		}
	}
	close(goOn)
	for range newcomers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// slowSigner is a key whose signatures take as long as compute does.
type slowSigner struct {
	crypto.Signer
	compute func()
}

func (s slowSigner) Sign(random io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	s.compute()
	return s.Signer.Sign(random, digest, o)
}

// firstWrite is a connection whose first write is the last that arrives.
type firstWrite struct {
	net.Conn
	wrote bool
}

func (f *firstWrite) Write(p []byte) (int, error) {
	if f.wrote {
		return len(p), nil
	}
	f.wrote = true
	return f.Conn.Write(p)
}
