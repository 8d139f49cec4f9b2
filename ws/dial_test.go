package ws_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\n"

// Answers of a server that are no handshake, or another than was asked for.
func TestDialRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		answer string
		status int
		body   string
	}{
		"redirect":               {"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 5\r\n\r\nthere", 302, "there"},
		"a long refusal":         {"HTTP/1.1 403 Forbidden\r\nContent-Length: 9000\r\n\r\n" + strings.Repeat("x", 9000), 403, strings.Repeat("x", 4096)},
		"a page":                 {"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY\r\nContent-Length: 0\r\n\r\n", 200, ""},
		"wrong accept key":       {strings.Replace(switching, "KEY", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", 1) + "\r\n", 101, ""},
		"no accept key":          {strings.Replace(switching, "Sec-WebSocket-Accept: KEY\r\n", "", 1) + "\r\n", 101, ""},
		"no upgrade":             {strings.Replace(switching, "Upgrade: websocket\r\n", "", 1) + "\r\n", 101, ""},
		"no connection":          {strings.Replace(switching, "Connection: Upgrade\r\n", "", 1) + "\r\n", 101, ""},
		"foreign subprotocol":    {switching + "Sec-WebSocket-Protocol: other\r\n\r\n", 101, ""},
		"two subprotocols":       {switching + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat\r\n\r\n", 101, ""},
		"foreign extension":      {switching + "Sec-WebSocket-Extensions: x-more\r\n\r\n", 101, ""},
		"two extensions":         {switching + "Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate\r\n\r\n", 101, ""},
		"malformed extensions":   {switching + "Sec-WebSocket-Extensions: permessage-deflate;\r\n\r\n", 101, ""},
		"window outside of 8-15": {switching + "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_max_window_bits=16\r\n\r\n", 101, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, Server: &ws.Server{}}
			url := r.answering(func(c *raw, key string) {
				c.nc.Write([]byte(strings.Replace(test.answer, "KEY", frame.AcceptKey(key), 1)))
				io.Copy(io.Discard, c.nc)
			})
			_, err := r.tryDial(url, ws.DialOptions{Subprotocols: []string{"chat"}})
			var refused *ws.HandshakeError
			if !errors.As(err, &refused) {
				t.Fatalf("dial: %v", err)
			}
			body, err := io.ReadAll(refused.Response.Body)
			if err != nil || refused.Response.StatusCode != test.status || string(body) != test.body {
				t.Errorf("response %s of %d bytes, %v", refused.Response.Status, len(body), err)
			}
		})
	}
}

// Answers of servers and proxies that are unusual and right.
func TestDialAccepted(t *testing.T) {
	t.Parallel()
	hello := string(frame.AppendFrame(nil, frame.Text, false, []byte("hello")))
	for name, test := range map[string]struct {
		answer  string
		options ws.DialOptions
	}{
		"100 Continue before it":         {"HTTP/1.1 100 Continue\r\n\r\n" + switching + "\r\n", ws.DialOptions{}},
		"many 103 Early Hints before it": {strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n", 9) + switching + "\r\n", ws.DialOptions{}},
		"no extensions":                  {switching + "Sec-WebSocket-Extensions: \r\n\r\n", ws.DialOptions{}},
		"no extensions, as asked":        {switching + "Sec-WebSocket-Extensions: ,\r\n\r\n", ws.DialOptions{NoCompression: true}},
		"a context insisted on":          {switching + "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", ws.DialOptions{}},
		"no subprotocol":                 {switching + "Sec-WebSocket-Protocol: \r\n\r\n", ws.DialOptions{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, Server: &ws.Server{}}
			url := r.answering(func(c *raw, key string) {
				c.nc.Write([]byte(strings.Replace(test.answer, "KEY", frame.AcceptKey(key), 1) + hello))
				c.event()
			})
			c, err := r.tryDial(url, test.options)
			if err != nil {
				t.Fatal(err)
			}
			c.want(t, ws.Text("hello"))
		})
	}
}

// An answer that is no HTTP is an error of the network.
func TestDialNoHTTP(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"nothing":        "",
		"no HTTP":        "220 mail.example.com ESMTP\r\n",
		"half an answer": switching,
		"endless hints":  strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: yyyyyyyyyyyyyyy\r\n\r\n", 2<<10),
		"only hints":     "HTTP/1.1 103 Early Hints\r\n\r\n",
		"endless header": "HTTP/1.1 101 Switching Protocols\r\nX: " + strings.Repeat("x", 100<<10),
		"many headers":   "HTTP/1.1 101 Switching Protocols\r\n" + strings.Repeat("X: y\r\n", 20<<10),
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, Server: &ws.Server{}}
			url := r.answering(func(c *raw, _ string) { c.nc.Write([]byte(answer)) })
			_, err := r.tryDial(url, ws.DialOptions{})
			var refused *ws.HandshakeError
			if err == nil || errors.As(err, &refused) {
				t.Errorf("dial: %v", err)
			}
		})
	}
}

func TestDialAddress(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "://", "localhost:3000", "ftp://localhost", "ws://", "ws:///path", "ws://localhost/#fragment", "ws://local host/", "ws://-ü-.example"} {
		o := ws.DialOptions{NetDial: func(context.Context, string, string) (net.Conn, error) {
			t.Errorf("%q was dialled", url)
			return nil, errors.New("no")
		}}
		if _, err := ws.Dial(t.Context(), url, o); err == nil {
			t.Errorf("%q: no error", url)
		}
	}
	none := errors.New("no network")
	for url, want := range map[string]string{
		"ws://example.com/x":       "example.com:80",
		"wss://example.com":        "example.com:443",
		"http://example.com:3000/": "example.com:3000",
		"https://[::1]:4/":         "[::1]:4",
		"ws://bücher.example":      "xn--bcher-kva.example:80",
		"wss://마루.example:3000/문":  "xn--2s2b1p.example:3000",
		"ws://b%C3%BCcher.example": "xn--bcher-kva.example:80",
		"ws://BÜCHER。example":      "xn--bcher-kva.example:80",
	} {
		o := ws.DialOptions{NetDial: func(_ context.Context, network, addr string) (net.Conn, error) {
			if network != "tcp" || addr != want {
				t.Errorf("%s dials %s %s", url, network, addr)
			}
			return nil, none
		}}
		if _, err := ws.Dial(t.Context(), url, o); !errors.Is(err, none) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestDialRequest(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		requests := make(chan *http.Request, 1)
		r.CheckOrigin = ws.AnyOrigin
		r.OnHandshake = func(r *http.Request) error { requests <- r; return nil }
		r.start()
		url := strings.Replace(r.url, "://", "://kim:secret@", 1) + "/a%2Fb?c=d&e"
		_, err := r.tryDial(url, ws.DialOptions{
			Subprotocols: []string{"one", "two"},
			Header:       http.Header{"Host": {"example.com"}, "Cookie": {"a=b"}, "Origin": {"http://elsewhere"}, "Upgrade": {"nonsense"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := next(t, requests)
		if got.URL.EscapedPath() != "/a%2Fb" || got.URL.RawQuery != "c=d&e" || got.Host != "example.com" {
			t.Errorf("asked for %s at %s", got.URL, got.Host)
		}
		if user, password, _ := got.BasicAuth(); user != "kim" || password != "secret" {
			t.Errorf("as %s with %s", user, password)
		}
		for name, want := range map[string]string{"Cookie": "a=b", "Origin": "http://elsewhere", "Upgrade": "websocket", "Sec-WebSocket-Protocol": "one, two"} {
			if got := got.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		if got := len(got.Header.Values("Host")); got != 0 {
			t.Errorf("%d headers of the name Host", got)
		}
	})
}

// ctx bounds every part of Dial: connecting, TLS, and the answer.
func TestDialInTime(t *testing.T) {
	t.Parallel()
	silent := listen(t) // its queue accepts, and no program answers
	defer silent.Close()
	tests := map[string]struct {
		url     string
		netDial func(context.Context, string, string) (net.Conn, error)
	}{
		"connecting": {"ws://localhost", func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		"answer": {"ws://" + silent.Addr().String(), nil},
		"TLS":    {"wss://" + silent.Addr().String(), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if _, err := ws.Dial(ctx, test.url, ws.DialOptions{NetDial: test.netDial}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("deadline: %v", err)
			}
			gone := errors.New("gone for lunch")
			cause, cut := context.WithCancelCause(t.Context())
			cut(gone)
			if _, err := ws.Dial(cause, test.url, ws.DialOptions{NetDial: test.netDial}); !errors.Is(err, gone) && !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
		})
	}
}

// A refusal whose body never ends is bounded by ctx as well.
func TestDialRefusedForEver(t *testing.T) {
	t.Parallel()
	const begun = "HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nand"
	r := &rig{t: t, Server: &ws.Server{}}
	url := r.answering(func(c *raw, _ string) {
		c.nc.Write([]byte(begun))
		io.Copy(io.Discard, c.nc)
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := ws.Dial(ctx, url, ws.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &reading{Conn: nc, left: len(begun), then: cancel}, err
	}})
	var refused *ws.HandshakeError
	if !errors.As(err, &refused) || refused.Response.StatusCode != 403 {
		t.Errorf("dial: %v", err)
	}
}

// reading does something once so many bytes are read and more are waited for.
type reading struct {
	net.Conn
	left int
	then func()
}

func (r *reading) Read(p []byte) (int, error) {
	if r.left <= 0 {
		r.then()
	}
	n, err := r.Conn.Read(p)
	r.left -= n
	return n, err
}

// The context is not the connection's.
func TestDialContextEndsWithDial(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		r.start()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan ws.Message, 1)
		c, err := ws.Dial(ctx, r.url, ws.DialOptions{TLSConfig: selfSigned().client, OnMessage: func(_ *ws.Conn, m ws.Message) { got <- m }})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Terminate()
		cancel()
		c.SendText("alive")
		if m := next(t, got); m.String() != "alive" {
			t.Errorf("got %q", m)
		}
	})
}

func TestDialUnknownCertificate(t *testing.T) {
	t.Parallel()
	r := &rig{t: t, Server: &ws.Server{}, secure: true}
	var unknown x509.UnknownAuthorityError
	if _, err := ws.Dial(t.Context(), r.start().url, ws.DialOptions{}); !errors.As(err, &unknown) {
		t.Errorf("dial: %v", err)
	}
}

// Bytes that a server sends right behind its answer are not lost.
func TestDialDataBehindAnswer(t *testing.T) {
	t.Parallel()
	for driver, goroutines := range map[string]bool{"loops": false, "goroutines": true} {
		t.Run(driver, func(t *testing.T) {
			t.Parallel()
			r := &rig{t: t, Server: &ws.Server{Goroutines: goroutines}}
			hello := frame.AppendFrame(nil, frame.Text, false, []byte("hello"))
			url := r.answering(func(c *raw, key string) {
				c.write(slices.Concat([]byte(strings.Replace(switching, "KEY", frame.AcceptKey(key), 1)+"\r\n"), hello, hello[:4]))
				c.write(hello[4:])
				c.event()
			})
			c, err := r.tryDial(url, ws.DialOptions{})
			if err != nil {
				t.Fatal(err)
			}
			c.want(t, ws.Text("hello"))
			c.want(t, ws.Text("hello"))
		})
	}
}

// Compression is used as it was agreed on, both ways.
func TestDeflate(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("all is well ", 1000)
	const offer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
	tests := map[string]struct {
		clientOff, serverOff bool
		least                int
		agreed               bool
		compressed           bool
	}{
		"both":         {agreed: true, compressed: true},
		"not the one":  {clientOff: true},
		"nor other":    {serverOff: true},
		"but not this": {least: 1 << 20, agreed: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) { // sent by the server
				r.NoCompression, r.CompressMinBytes = test.serverOff, test.least
				r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m); r.Broadcast(m) }
				r.start()
				change := []string{"Sec-WebSocket-Extensions: " + offer}
				if test.clientOff {
					change = nil
				}
				c := r.upgraded(change...)
				c.write(masked(frame.Text, text))
				for range 2 {
					first, err := c.firstByte()
					if err != nil || (first&0x40 != 0) != test.compressed {
						t.Errorf("first byte %#x, %v", first, err)
					}
					c.want(frame.Text, text)
				}
			})
			t.Run("client", func(t *testing.T) {
				t.Parallel()
				r := &rig{t: t, Server: &ws.Server{}}
				firsts := make(chan byte, 1)
				url := r.answering(func(c *raw, key string) {
					answer := strings.Replace(switching, "KEY", frame.AcceptKey(key), 1)
					if test.agreed {
						answer += "Sec-WebSocket-Extensions: " + offer + "; client_max_window_bits=9\r\n"
					}
					c.write([]byte(answer + "\r\n"))
					c.rules.Deflate = true
					first, err := c.firstByte()
					if err != nil {
						t.Error(err)
					}
					firsts <- first
					if ev, err := c.event(); err != nil || string(ev.Payload) != text {
						t.Errorf("got %d bytes, %v", len(ev.Payload), err)
					}
				})
				c, err := r.tryDial(url, ws.DialOptions{NoCompression: test.clientOff, CompressMinBytes: test.least})
				if err != nil {
					t.Fatal(err)
				}
				c.SendText(text)
				if first := next(t, firsts); (first&0x40 != 0) != test.compressed {
					t.Errorf("first byte %#x", first)
				}
			})
		})
	}
}

// firstByte is that of the next frame, which stays to be read.
func (c *raw) firstByte() (byte, error) {
	if len(c.unread) > 0 {
		return c.unread[0], nil
	}
	b, err := c.br.Peek(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// A program with many connections of its own, opened and closed, is left with
// nothing of them.
func TestDialMany(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		r.start()
		for i := range 3 {
			var all []*client
			for n := range 10 {
				c := r.dial(ws.DialOptions{MaxMessageBytes: int64(1000 + i)})
				c.SendText(fmt.Sprint(n))
				all = append(all, c)
			}
			for n, c := range all {
				c.want(t, ws.Text(fmt.Sprint(n)))
				c.Close(1000, "")
				next(t, c.closed)
			}
		}
	})
}
