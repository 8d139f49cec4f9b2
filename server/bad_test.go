package server_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// A client that takes too long to send its request is cut, even if it sends a byte at a time.
func TestSlowHandshake(t *testing.T) {
	over(t, server.Options{HandshakeTimeout: 300 * time.Millisecond}, func(t *testing.T, w *world) {
		for name, c := range map[string]struct {
			secured bool // after a TLS handshake
			begins  string
		}{
			"nothing":          {},
			"TLS":              {begins: "\x16\x03\x01\x01\x00\x01"},
			"upgrade":          {secured: true, begins: "GET /channels/a HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: "},
			"GET":              {secured: true, begins: "GET /channels/a HTTP/1.1\r\nHost: localhost\r\nX: "},
			"POST":             {secured: true, begins: "POST /channels/a HTTP/1.1\r\nHost: localhost\r\nX: "},
			"nothing, secured": {secured: true},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				nc, err := net.Dial("tcp", w.addr)
				if err != nil {
					t.Fatal(err)
				}
				if c.secured && w.tls != nil {
					nc = tls.Client(nc, w.tls)
				}
				nc.SetDeadline(time.Now().Add(patience))
				written := make(chan struct{})
				go func() {
					defer close(written)
					for _, err := io.WriteString(nc, c.begins); err == nil && c.begins != ""; _, err = io.WriteString(nc, "x") {
						<-time.After(20 * time.Millisecond)
					}
				}()
				if _, err := io.Copy(io.Discard, nc); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("the connection is still open")
				}
				nc.Close()
				<-written
			})
		}
	})
}

// Slow sockets and event streams are closed; others receive everything meanwhile.
func TestReadNothing(t *testing.T) {
	over(t, server.Options{BacklogBytes: 256 << 10, BacklogAge: time.Second}, func(t *testing.T, w *world) {
		reader := w.dial("/channels/a")
		for range 3 {
			w.dial("/channels/a")
			w.events("/channels/a")
		}
		if n := w.server.Presence("a").Anonymous; n != 7 {
			t.Fatalf("%d connections", n)
		}
		text := strings.Repeat("x", 64<<10)
		for begun := time.Now(); w.server.Presence("a").Anonymous > 1; {
			if time.Since(begun) > patience {
				t.Fatalf("%d connections are left", w.server.Presence("a").Anonymous)
			}
			w.publish(text)
			if ev := reader.next(); ev.Op != frame.Text || string(ev.Payload) != text {
				t.Fatalf("got %v of %d bytes", ev.Op, len(ev.Payload))
			}
		}
		w.publish("after")
		if ev := reader.next(); string(ev.Payload) != "after" {
			t.Errorf("got %.20q", ev.Payload)
		}
	})
}
