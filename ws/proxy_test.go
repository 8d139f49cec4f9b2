package ws_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"maru.example/maru/ws"
)

// middle is a proxy in a test. It connects every client to one address, and remembers what it
// was asked.
type middle struct {
	url   *url.URL
	asked chan string // the address, and the user and password if it got them
}

// newMiddle starts a proxy. handle reads the client's request and returns the address in it, or
// "" if it has refused.
func newMiddle(t *testing.T, scheme, to string, handle func(nc net.Conn, br *bufio.Reader) string) *middle {
	t.Helper()
	l := listen(t)
	if scheme == "https" {
		l = tls.NewListener(l, selfSigned().server)
	}
	m := &middle{&url.URL{Scheme: scheme, Host: l.Addr().String()}, make(chan string, 1)}
	ended := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-ended })
	go func() {
		defer close(ended)
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		defer context.AfterFunc(t.Context(), func() { client.Close() })()
		br := bufio.NewReader(client)
		address := handle(client, br)
		m.asked <- address
		if address == "" {
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		go func() {
			io.Copy(server, br)
			server.Close()
		}()
		io.Copy(client, server)
	}()
	return m
}

// answered handles CONNECT with an answer.
func answered(answer string) func(net.Conn, *bufio.Reader) string {
	return func(nc net.Conn, br *bufio.Reader) string {
		r, err := http.ReadRequest(br)
		if err != nil || r.Method != http.MethodConnect || r.Host != r.RequestURI {
			io.WriteString(nc, "HTTP/1.1 400 Bad Request\r\n\r\n")
			return ""
		}
		io.WriteString(nc, answer)
		r.Header["Authorization"] = r.Header["Proxy-Authorization"]
		user, password, _ := r.BasicAuth()
		return strings.TrimSpace(fmt.Sprint(r.Host, " ", user, " ", password))
	}
}

// says handles nothing, and says something.
func says(text string) func(net.Conn, *bufio.Reader) string {
	return func(nc net.Conn, _ *bufio.Reader) string {
		io.WriteString(nc, text)
		return ""
	}
}

const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// socks5 handles a client of RFC 1928, with a user and password of RFC 1929 if it has them.
func socks5(status byte) func(net.Conn, *bufio.Reader) string {
	return func(nc net.Conn, br *bufio.Reader) string {
		text := func() string { // with its length before it
			n, _ := br.ReadByte()
			b := make([]byte, n)
			io.ReadFull(br, b)
			return string(b)
		}
		br.ReadByte() // the version
		methods, credentials := text(), ""
		if strings.Contains(methods, "\x02") {
			nc.Write([]byte{5, 2})
			br.ReadByte()
			credentials = " " + text() + " " + text()
			nc.Write([]byte{1, 0})
		} else {
			nc.Write([]byte{5, 0})
		}
		br.Discard(3)
		kind, _ := br.ReadByte()
		host := ""
		if kind == 1 {
			ip := make(net.IP, 4)
			io.ReadFull(br, ip)
			host = ip.String()
		} else {
			host = text()
		}
		var port [2]byte
		io.ReadFull(br, port[:])
		nc.Write([]byte{5, status, 0, 1, 0, 0, 0, 0, 0, 0})
		if status != 0 {
			return ""
		}
		return fmt.Sprint(host, ":", binary.BigEndian.Uint16(port[:]), credentials)
	}
}

// Connections through every kind of proxy, with ws and wss, on loops and with goroutines.
func TestDialProxy(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.CheckOrigin = ws.AnyOrigin
		r.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		r.start()
		for name, test := range map[string]struct {
			scheme string
			handle func(net.Conn, *bufio.Reader) string
			user   *url.Userinfo
			want   string
		}{
			"http":                 {"http", answered(established), nil, ""},
			"http, user":           {"http", answered(established), url.UserPassword("kim", "s:e@c"), " kim s:e@c"},
			"http, hints":          {"http", answered("HTTP/1.1 103 Early Hints\r\n\r\n" + established), nil, ""},
			"http, Content-Length": {"http", answered("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"), nil, ""},
			"https":                {"https", answered(established), nil, ""},
			"socks5":               {"socks5", socks5(0), nil, ""},
			"socks5, user":         {"socks5h", socks5(0), url.UserPassword("kim", "secret"), " kim secret"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				m := newMiddle(t, test.scheme, r.addr, test.handle)
				m.url.User = test.user
				_, port, _ := net.SplitHostPort(r.addr)
				config := selfSigned().client.Clone()
				config.ServerName = "127.0.0.1"
				asks := make(chan string, 1)
				c, err := r.tryDial(strings.Replace(r.url, "127.0.0.1", "bücher.example", 1), ws.DialOptions{
					TLSConfig: config,
					Proxy:     func(r *http.Request) (*url.URL, error) { asks <- r.URL.String(); return m.url, nil },
				})
				if err != nil {
					t.Fatal(err)
				}
				c.SendText("hello")
				c.want(t, ws.Text("hello"))
				if got, want := next(t, m.asked), "xn--bcher-kva.example:"+port+test.want; got != want {
					t.Errorf("the proxy was asked for %q, want %q", got, want)
				}
				if got, want := next(t, asks), strings.Replace(r.url, "ws", "http", 1); got != strings.Replace(want, "127.0.0.1", "xn--bcher-kva.example", 1) {
					t.Errorf("the proxy for %s was wanted", got)
				}
			})
		}
	})
}

// The answers of a proxy that does not connect are errors of the proxy, with their status.
func TestDialProxyRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		scheme string
		handle func(net.Conn, *bufio.Reader) string
		status int
	}{
		"502":               {"http", answered("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno"), 502},
		"407":               {"http", answered("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"), 407},
		"403, https":        {"https", answered("HTTP/1.1 403 Forbidden\r\n\r\n"), 403},
		"101":               {"http", answered("HTTP/1.1 101 Switching Protocols\r\n\r\n"), 101},
		"hints, then 504":   {"http", answered("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 504 Gateway Timeout\r\n\r\n"), 504},
		"a word of its own": {"http", answered(established + "hello"), 0},
		"no HTTP":           {"http", answered("220 mail.example.com ESMTP\r\n"), 0},
		"nothing":           {"http", answered(""), 0},
		"closed":            {"http", says(""), 0},
		"socks: refused":    {"socks5", socks5(5), 0},
		"socks is http":     {"socks5", says("HTTP/1.1 400 Bad Request\r\n\r\n"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			handle := func(nc net.Conn, br *bufio.Reader) string { test.handle(nc, br); return "" }
			m := newMiddle(t, test.scheme, "", handle)
			m.url.User = url.UserPassword("kim", "open-sesame")
			_, err := ws.Dial(t.Context(), "ws://maru.test.example/x", ws.DialOptions{
				TLSConfig: selfSigned().client, Proxy: http.ProxyURL(m.url),
			})
			var refused *ws.ProxyError
			var answered *ws.HandshakeError
			if !errors.As(err, &refused) || errors.As(err, &answered) {
				t.Fatalf("dial: %v", err)
			}
			if refused.Status != test.status || !strings.Contains(refused.Proxy, m.url.Host) || strings.Contains(err.Error(), "open-sesame") {
				t.Errorf("error: %v, with status %d", err, refused.Status)
			}
		})
	}
}

// A proxy that cannot be used, or whose address is no address of a proxy.
func TestDialProxyWrong(t *testing.T) {
	t.Parallel()
	gone := listen(t)
	gone.Close()
	for name, proxy := range map[string]string{
		"nobody there":     "http://" + gone.Addr().String(),
		"no socks there":   "socks5://" + gone.Addr().String(),
		"unknown scheme":   "ftp://127.0.0.1:21",
		"no scheme":        "127.0.0.1",
		"no host":          "http:///",
		"https is no TLS":  "https://" + newMiddle(t, "http", "", says("HTTP/1.1 400 Bad Request\r\n\r\n")).url.Host,
		"socks without ip": "socks5://",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(proxy)
			if err != nil {
				t.Fatal(err)
			}
			_, err = ws.Dial(t.Context(), "ws://maru.test.example/x", ws.DialOptions{Proxy: http.ProxyURL(u)})
			if refused := new(ws.ProxyError); !errors.As(err, &refused) || refused.Status != 0 {
				t.Errorf("dial: %v", err)
			}
		})
	}
	none := errors.New("no proxy today")
	_, err := ws.Dial(t.Context(), "ws://maru.test.example/x", ws.DialOptions{Proxy: func(*http.Request) (*url.URL, error) { return nil, none }})
	if !errors.Is(err, none) {
		t.Errorf("dial: %v", err)
	}
}

// A function that names no proxy connects directly; NetDial dials the proxy.
func TestDialProxyOrNot(t *testing.T) {
	t.Parallel()
	none := errors.New("no network")
	for name, test := range map[string]struct {
		proxy func(*http.Request) (*url.URL, error)
		want  string
	}{
		"no function": {nil, "maru.test.example:80"},
		"no proxy":    {func(*http.Request) (*url.URL, error) { return nil, nil }, "maru.test.example:80"},
		"a proxy":     {http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test.example"}), "proxy.test.example:80"},
		"https":       {http.ProxyURL(&url.URL{Scheme: "https", Host: "[::1]"}), "[::1]:443"},
		"socks":       {http.ProxyURL(&url.URL{Scheme: "socks5", Host: "proxy.test.example"}), "proxy.test.example:1080"},
		"a port":      {http.ProxyURL(&url.URL{Scheme: "socks5h", Host: "proxy.test.example:9050"}), "proxy.test.example:9050"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ws.Dial(t.Context(), "ws://maru.test.example/", ws.DialOptions{Proxy: test.proxy, NetDial: func(_ context.Context, _, addr string) (net.Conn, error) {
				if addr != test.want {
					t.Errorf("dials %s, want %s", addr, test.want)
				}
				return nil, none
			}})
			if !errors.Is(err, none) {
				t.Errorf("dial: %v", err)
			}
		})
	}
}

// The proxy of the environment is used by default: HTTP_PROXY for ws and HTTPS_PROXY for wss, as
// in net/http, and not for this machine. Another process dials, because it has an environment of
// its own.
func TestDialProxyOfEnvironment(t *testing.T) {
	t.Parallel()
	if address := os.Getenv("TEST_DIAL"); address != "" {
		_, err := ws.Dial(t.Context(), address, ws.DialOptions{})
		refused := new(ws.ProxyError)
		fmt.Println("proxy error:", errors.As(err, &refused), "status:", refused.Status)
		return
	}
	gone := listen(t)
	gone.Close()
	for name, test := range map[string]struct{ variable, address, asked string }{
		"ws":           {"HTTP_PROXY", "ws://maru.test.example", "maru.test.example:80"},
		"wss":          {"HTTPS_PROXY", "wss://maru.test.example:3000/x", "maru.test.example:3000"},
		"lower case":   {"http_proxy", "ws://maru.test.example", "maru.test.example:80"},
		"this machine": {"HTTP_PROXY", "ws://" + gone.Addr().String(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMiddle(t, "http", "", func(nc net.Conn, br *bufio.Reader) string {
				return answered("HTTP/1.1 502 Bad Gateway\r\n\r\n")(nc, br)
			})
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDialProxyOfEnvironment$")
			child.Env = []string{"TEST_DIAL=" + test.address, test.variable + "=" + m.url.String()}
			out, err := child.CombinedOutput()
			want := "proxy error: true status: 502\n"
			if test.asked == "" {
				want = "proxy error: false status: 0\n"
			}
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%v\n%s", err, out)
			}
			if test.asked != "" {
				if got := next(t, m.asked); got != test.asked {
					t.Errorf("the proxy was asked for %q", got)
				}
			}
		})
	}
}
