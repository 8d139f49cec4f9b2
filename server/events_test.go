package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"maru.example/maru/server"
)

// An event stream over HTTP/1 uses the connection alone, and ends with it, over TLS and without. There are
// no chunks, and later requests on the connection are not answered.
func TestEventsOverHTTP1(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		for _, version := range []string{"1.1", "1.0"} {
			nc := w.connect()
			request := "GET /channels/a HTTP/" + version + "\r\nHost: " + w.addr + "\r\nAccept: text/event-stream\r\n\r\n"
			if _, err := io.WriteString(nc, request+request); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(nc)
			answer, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if h := answer.Header; answer.StatusCode != 200 || !answer.Close || answer.ContentLength != -1 || len(answer.TransferEncoding) > 0 ||
				h.Get("Content-Type") != "text/event-stream" || h.Get("Cache-Control") != "no-cache, no-transform" || h.Get("Content-Encoding") != "identity" || len(h.Values("Date")) != 1 {
				t.Errorf("HTTP/%s: answered %s %v", version, answer.Status, h)
			}
			body := bufio.NewReader(answer.Body)
			for _, text := range []string{"1", "2"} {
				for block := ""; !strings.HasSuffix(block, "data: "+text+"\n"); {
					if block == "" {
						w.publish(text)
					}
					line, err := body.ReadString('\n')
					if err != nil {
						t.Fatal(err)
					}
					block += line
				}
			}
			nc.Close()
		}
		for end := time.Now().Add(patience); w.server.Connections() > 0; runtime.Gosched() {
			if time.Now().After(end) {
				t.Fatalf("%d are left", w.server.Connections())
			}
		}
	})
}

// Shutdown ends an event stream on a loop, after all earlier publications.
func TestShutdownEndsEvents(t *testing.T) {
	over(t, server.Options{}, func(t *testing.T, w *world) {
		nc := w.connect()
		io.WriteString(nc, "GET /channels/a HTTP/1.1\r\nHost: "+w.addr+"\r\nAccept: text/event-stream\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			t.Fatal(err)
		}
		w.publish("last words")
		go w.shutdown()
		b, err := io.ReadAll(answer.Body)
		if err != nil || !strings.HasSuffix(string(b), "data: last words\n\n") {
			t.Errorf("the stream ended with %q, %v", b, err)
		}
		nc.Close()
	})
}

// connect opens a connection for HTTP/1.
func (w *world) connect() net.Conn {
	w.t.Helper()
	var nc net.Conn
	var err error
	if w.tls != nil {
		nc, err = tls.Dial("tcp", w.addr, w.tls)
	} else {
		nc, err = net.Dial("tcp", w.addr)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(patience))
	w.t.Cleanup(func() { nc.Close() })
	return nc
}
