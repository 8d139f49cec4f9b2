package socketio_test

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/shares"
	"maru.example/maru/server"
)

// postFrom posts a body from an address that a proxy reports, and returns the answer.
func (p *polls) postFrom(addr string, body io.Reader) *http.Response {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://"+p.host+"/socket.io/?"+p.query, body)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("X-Forwarded-For", addr)
	resp, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

// Every bound has a share per caller: large bodies that are coming are shares of the same bound as
// those of publications. Beyond it the answer is 503, and the session ends, so that the client
// connects again and nothing is lost without notice.
func TestBodiesAreShares(t *testing.T) {
	t.Parallel()
	const step = 64 << 10
	bodies := shares.New(8*step, "bytes", nil)
	w := newWorld(t, server.Options{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Gateways: []server.Gateway{func(env *gateway.Env) []gateway.Route {
			env.Bodies = bodies
			return socketio.Mount(env)
		}},
	}, socketio.Options{})
	large := func(steps int) string { return "4" + strings.Repeat("x", steps*step) } // is no packet
	const flood, other = "192.0.2.1", "192.0.2.2"

	holds, held, done := w.polling(), make(chan struct{}), make(chan int, 1)
	coming, rest := io.Pipe()
	go func() {
		resp := holds.postFrom(flood, coming)
		done <- resp.StatusCode
	}()
	go func() {
		io.WriteString(rest, large(4))
		close(held)
	}()
	<-held
	w.until("the server has read it", func() bool { return bodies.Held() == 4*step })
	small := w.polling()
	if resp := small.postFrom(flood, strings.NewReader("40")); resp.StatusCode != 200 {
		t.Errorf("a small body: %d", resp.StatusCode)
	}
	refused := w.polling()
	if resp := refused.postFrom(flood, strings.NewReader(large(3))); resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("beyond the share: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	for status := 200; status == 200; { // the session says its last word, and is gone
		var body string
		if status, body = refused.ask("GET", refused.query, ""); status == 200 && body != "1" {
			t.Fatalf("it polls on, and gets %q", body)
		}
	}
	if resp := w.polling().postFrom(other, strings.NewReader(large(3))); resp.StatusCode != 400 {
		t.Errorf("another address: %d, want 400 for what is in it", resp.StatusCode)
	}
	rest.Close()
	if status := <-done; status != 400 {
		t.Errorf("the first: %d, want 400 for what is in it", status)
	}
	if n := bodies.Held(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// A body that breaks off ends the session as lost: what comes next would come without it.
func TestBodyBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	p := w.polling()
	nc := w.connect()
	io.WriteString(nc, "POST /socket.io/?"+p.query+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n4")
	nc.Close()
	w.until("the session has ended", func() bool { return w.server.Connections() == 0 })
	p.gone()
}
