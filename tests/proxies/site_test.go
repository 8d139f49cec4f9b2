package proxies_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru/client"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// prompt is less than the time between two comments in a stream, which would push an event out of
// a buffer.
const prompt = 12 * time.Second

// site is a maru and a proxy before it, as its users see it.
type site struct {
	*proxy.Proxy
	maru        *program.Server
	http, http1 *http.Client
}

// serve starts maru as docs/proxies.md says.
func serve(t testing.TB, args ...string) *program.Server {
	t.Helper()
	return program.Serve(t, maruPath, append([]string{"--host", proxy.Name, "--trusted-proxy", "127.0.0.1", "--log-level", "debug"}, args...)...)
}

func before(t testing.TB, maru *program.Server, name string) *site {
	t.Helper()
	p := proxy.Start(t, name, maru.Addr)
	return &site{Proxy: p, maru: maru, http: p.Client(t, false), http1: p.Client(t, true)}
}

// origin is the origin of pages of the site.
func (s *site) origin() string { return strings.TrimSuffix(s.URL, "/live") }

// socket is an address of a WebSocket.
func (s *site) socket(path string) string { return "ws" + strings.TrimPrefix(s.URL, "http") + path }

// get sends a request and returns the answer, whose body the caller closes.
func get(ctx context.Context, t testing.TB, c *http.Client, url string, header ...string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	must(t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.Do(r)
}

// publish posts text to a channel, and returns the status.
func publish(t testing.TB, c *http.Client, channel, text string, header ...string) (status int, err error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, channel, strings.NewReader(text))
	must(t, err)
	r.Header.Set("Content-Type", "text/plain")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

func mustPublish(t testing.TB, c *http.Client, channel, text string, header ...string) {
	t.Helper()
	if status, err := publish(t, c, channel, text, header...); err != nil || status != http.StatusOK {
		t.Fatalf("POST %s: %d %v, want 200", channel, status, err)
	}
}

// body reads an answer as a browser does, which decompresses it.
func body(t testing.TB, resp *http.Response) io.Reader {
	t.Helper()
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return resp.Body
	}
	r, err := gzip.NewReader(resp.Body)
	must(t, err)
	return r
}

// await reads until a text has come.
func await(t testing.TB, r io.Reader, text string) {
	t.Helper()
	var all strings.Builder
	b := make([]byte, 4<<10)
	for !strings.Contains(all.String(), text) {
		n, err := r.Read(b)
		all.Write(b[:n])
		if err != nil && !strings.Contains(all.String(), text) {
			t.Fatalf("waiting for %q: %v; there was\n%s", text, err, all.String())
		}
	}
}

// dial connects maru's client for Go.
func (s *site) dial(t testing.TB) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	c, err := client.Dial(ctx, s.URL, client.Options{TLSConfig: s.TLS(), NetDial: s.Dial, Header: http.Header{"Origin": {s.origin()}}})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

// next waits for the next publication or gap, and returns it as text.
func next(t testing.TB, s *client.Subscription) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*program.Patience)
	defer cancel()
	for {
		event, err := s.Next(ctx)
		must(t, err)
		switch e := event.(type) {
		case *client.Publication:
			return string(e.Data)
		case *client.Gap:
			return fmt.Sprintf("gap %+v", e)
		}
	}
}

// publishDirectly posts texts to maru itself, from an address that is no proxy's.
func (s *site) publishDirectly(t testing.TB, channel string, texts ...string) {
	t.Helper()
	dial := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(proxy.ClientAddr)}}
	transport := &http.Transport{DialContext: dial.DialContext}
	defer transport.CloseIdleConnections()
	for _, text := range texts {
		mustPublish(t, &http.Client{Transport: transport}, "http://"+s.maru.Addr+"/channels/"+channel, text)
	}
}
