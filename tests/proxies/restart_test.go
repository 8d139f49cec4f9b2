package proxies_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru/client"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// holds are the proxies that hold requests while maru is away, and of which method. (Caddy 2.6 loses
// the body of a request when it tries again.)
var holds = map[string]string{"haproxy": http.MethodPost, "caddy": http.MethodGet}

// maru is killed, and then ended in good order, and started again behind a proxy. While it is away,
// an event stream is never answered with a status at which EventSource gives up. Afterwards the
// client continues without a gap.
func TestIssue15RestartBehindProxies(t *testing.T) {
	program.InOwnStep(t)
	for _, name := range proxy.Debian {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--data", t.TempDir(), "--drain", "1s"}, proxy.Options[name]...)
			s := before(t, serve(t, args...), name)
			args = append(args, "--listen", s.maru.Addr)
			channel := s.URL + "/channels/restart"
			subscription, err := s.dial(t).Subscribe("restart", client.SubscribeOptions{})
			must(t, err)
			_, err = subscription.Next(t.Context()) // subscribed
			must(t, err)
			for _, end := range []func(){
				func() { s.maru.Kill(t) },
				func() { s.maru.Terminate(); s.maru.Wait(t) },
			} {
				publishSoon(t, s, channel, "before")
				expect(t, subscription, "before")
				end()
				askForStream(t, s, channel)
				start := func() { s.maru = serve(t, args...) }
				if method := holds[name]; method == "" {
					start()
				} else {
					testHeld(t, s, method, channel, start)
				}
				if holds[name] == http.MethodPost {
					expect(t, subscription, "held")
				}
				publishSoon(t, s, channel, "after")
				expect(t, subscription, "after")
			}
		})
	}
}

func expect(t *testing.T, s *client.Subscription, want string) {
	t.Helper()
	if got := next(t, s); got != want {
		t.Fatalf("got %q, want %q", got, want)
	}
}

// testHeld sends a request while maru is away, which must be answered when maru has started.
func testHeld(t *testing.T, s *site, method, channel string, start func()) {
	t.Helper()
	held := make(chan int, 1)
	go func() { held <- statusOf(t, s, method, channel) }()
	select {
	case status := <-held:
		t.Fatalf("a %s is answered with %d while maru is away", method, status)
	case <-time.After(200 * time.Millisecond): // it has reached the proxy
	}
	start()
	if status := <-held; status != http.StatusOK {
		t.Fatalf("a %s that waited for maru is answered with %d, want 200", method, status)
	}
}

// publishSoon publishes when the proxy uses maru again. Varnish avoids it for 0.25 s after a connection
// was refused; Apache would for 60 s, without retry=0.
func publishSoon(t *testing.T, s *site, channel, text string) {
	t.Helper()
	for late := time.Now().Add(15 * time.Second); ; <-time.After(50 * time.Millisecond) {
		status, err := publish(t, s.http, channel, text)
		if err == nil && status == http.StatusOK {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("a POST is answered with %d %v although maru is back", status, err)
		}
	}
}

// statusOf posts text to the channel, or reads its history.
func statusOf(t testing.TB, s *site, method, channel string) int {
	var text io.Reader
	if method == http.MethodPost {
		text = strings.NewReader("held")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, channel, text)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp, err := s.http.Do(r)
	if err != nil {
		t.Error(err)
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}

// askForStream asks for an event stream while maru is away. The answer is a stream that says when
// to come back, or there is none.
func askForStream(t *testing.T, s *site, channel string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	resp, err := get(ctx, t, s.http, channel, "Accept", "text/event-stream")
	if err != nil {
		if ctx.Err() != nil {
			t.Fatalf("a stream is not answered while maru is away: %v", err)
		}
		return // the connection was closed: EventSource comes back
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") ||
		!bytes.HasPrefix(b, []byte("retry: ")) || !bytes.Contains(b, []byte("\nevent: refused\ndata: {\"code\":\"unavailable\"")) || !bytes.HasSuffix(b, []byte("\n\n")) {
		t.Errorf("a stream is answered with %s %s\n%s", resp.Status, resp.Header, b)
	}
}
