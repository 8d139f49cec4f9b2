package front_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/proxyproto"
)

const (
	line1   = "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n"
	begin2  = "\r\n\r\n\x00\r\nQUIT\n"
	binary2 = begin2 + "\x21\x11\x00\x14\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb\x20\x00\x05\x01\x00\x00\x00\x00" // the same, with TLS
	local2  = begin2 + "\x20\x00\x00\x00"
)

// behindProxy serves what a request knows of its client, and an echo that says so first, where
// trusted says whether the test is a trusted proxy. Its log is for after the test.
func behindProxy(t *testing.T, goroutines bool, config *tls.Config, trusted bool, log io.Writer) string {
	t.Helper()
	e := loop.New(loop.Options{Goroutines: goroutines, CloseTimeout: time.Second})
	handler := func(w http.ResponseWriter, r *http.Request) {
		client := fmt.Sprintf("%s to %v, TLS %v, behind TLS %v", r.RemoteAddr, r.Context().Value(http.LocalAddrContextKey), r.TLS != nil, proxyproto.TLS(r.Context()))
		if !handshake.IsUpgrade(r) {
			fmt.Fprint(w, client)
			return
		}
		up, err := handshake.Accept(w, r, handshake.Options{Header: http.Header{"X-Client": {client}}})
		if err != nil {
			return
		}
		e.Open(up.Conn, up.Buffered, loop.Params{Preface: up.Answer}, func(c loop.Conn) loop.Handler { return echo{c} })
	}
	return serveListener(t, e, config, http.HandlerFunc(handler), func(l net.Listener) net.Listener {
		return front.NewProxyListener(nil, l, front.ProxyOptions{
			Trusts:  func(net.Conn) bool { return trusted },
			Timeout: 300 * time.Millisecond,
			Log:     slog.New(slog.NewTextHandler(log, nil)),
		})
	})
}

// Issue 15 §6: with a PROXY header a request has the client's address, on every path.
func TestProxyHeader(t *testing.T) {
	t.Parallel()
	get := "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	for name, c := range map[string]struct{ header, client string }{
		"1":                {line1, "203.0.113.9:50000 to 192.0.2.1:443, TLS false, behind TLS false"},
		"1, IPv6":          {"PROXY TCP6 2001:db8::9 2001:db8::1 50000 443\r\n", "[2001:db8::9]:50000 to [2001:db8::1]:443, TLS false, behind TLS false"},
		"1, unknown":       {"PROXY UNKNOWN\r\n", "127.0.0.1:"},
		"2":                {binary2, "203.0.113.9:50000 to 192.0.2.1:443, TLS false, behind TLS true"},
		"2, of the proxy":  {local2, "127.0.0.1:"},
		"1 and empty line": {line1 + "\r\n", "203.0.113.9:50000 to 192.0.2.1:443, TLS false, behind TLS false"},
	} {
		for _, goroutines := range []bool{false, true} {
			addr := behindProxy(t, goroutines, nil, true, io.Discard)
			for what, request := range map[string]string{"GET": get, "upgrade": upgradeTo("/ws") + helloFrame, "upgrade as second": strings.Replace(get, "Connection: close\r\n", "", 1) + upgradeTo("/ws") + helloFrame} {
				for pieces, split := range map[string][]string{"whole": {c.header + request}, "apart": {c.header, request}, "by byte": strings.Split(c.header+request, "")} {
					t.Run(fmt.Sprintf("%s, goroutines=%v/%s/%s", name, goroutines, what, pieces), func(t *testing.T) {
						t.Parallel()
						until := "hello"
						if what == "GET" {
							until = "behind TLS true"
						}
						got := talk(t, addr, until, split...)
						if !strings.Contains(got, c.client) || what != "GET" && !strings.HasSuffix(got, "hello") {
							t.Errorf("got %q", got)
						}
					})
				}
			}
		}
	}
}

// The header comes before TLS.
func TestProxyHeaderBeforeTLS(t *testing.T) {
	t.Parallel()
	addr := behindProxy(t, false, certified(), true, io.Discard)
	for _, header := range []string{line1, binary2} {
		for what, c := range map[string]struct{ request, until string }{
			"GET":     {"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "TLS true"},
			"empty":   {"\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "TLS true"},
			"upgrade": {upgradeTo("/ws") + helloFrame, "hello"},
		} {
			t.Run(fmt.Sprintf("%.7q/%s", header, what), func(t *testing.T) {
				t.Parallel()
				got := ""
				for range 20 { // the machine may be too busy for the time that a handshake may take
					nc := dial(t, addr)
					io.WriteString(nc, header)
					got = talkOver(t, tls.Client(nc, &tls.Config{InsecureSkipVerify: true}), c.until, c.request)
					if got != "" {
						break
					}
				}
				if !strings.Contains(got, "203.0.113.9:50000 to 192.0.2.1:443, TLS true") || !strings.Contains(got, c.until) {
					t.Errorf("got %q", got)
				}
			})
		}
	}
}

// A trusted proxy without a valid header is refused, with the reason where it looks like HTTP. From
// any other address a header is malformed HTTP, and counts for nothing.
func TestProxyHeaderRefused(t *testing.T) {
	t.Parallel()
	get := "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
	for name, c := range map[string]struct {
		trusted bool
		send    string
		want    string // how the answer begins
		says    string // and the log, of what was refused
	}{
		"no header":               {true, get, "HTTP/1.1 400 ", "does not begin with"},
		"malformed, 1":            {true, "PROXY TCP4 203.0.113.9 192.0.2.1 50000 99999\r\n" + get, "HTTP/1.1 400 ", "malformed"},
		"malformed, 2":            {true, begin2 + "\x31\x11\x00\x00", "", "version"},
		"half a header":           {true, "PROXY TCP4", "HTTP/1.1 400 ", "timeout"},
		"nothing":                 {true, "", "", ""},
		"a stranger's header, 1":  {false, line1 + get, "HTTP/1.1 400 ", ""},
		"a stranger's header, 2":  {false, binary2 + get, "HTTP/1.1 400 ", ""},
		"a stranger without":      {false, get, "HTTP/1.1 200 ", ""},
		"a stranger's WebSocket":  {false, upgradeTo("/ws"), "HTTP/1.1 101 ", ""},
		"a stranger's empty line": {false, "\r\n" + get, "HTTP/1.1 200 ", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			t.Run("request", func(t *testing.T) {
				addr := behindProxy(t, false, nil, c.trusted, &log)
				if got := talk(t, addr, "", c.send); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
					t.Errorf("got %q", got)
				}
			})
			// The connection is closed after the line is written.
			if got := log.String(); !strings.Contains(got, c.says) || c.says == "" && got != "" || c.says != "" && !strings.Contains(got, "level=WARN") {
				t.Errorf("the log has %q", got)
			}
		})
	}
}
