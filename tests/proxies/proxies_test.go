package proxies_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
	"maru.example/maru/ws"
)

// passes is what must come through every proxy.
var passes = map[string]func(t *testing.T, s *site){
	"raw WebSocket":   testRaw,
	"maru.v1":         testV1,
	"stream":          func(t *testing.T, s *site) { testStream(t, s, s.http, "stream") },
	"stream HTTP/1.1": func(t *testing.T, s *site) { testStream(t, s, s.http1, "stream1") },
	"poll":            testPoll,
	"longest poll":    testLongestPoll,
	"address":         testAddress,
	"origins":         testOrigins,
	"ready":           testReady,
	"Socket.IO":       testSocketIO,
	"idle Socket.IO":  testIdleSocketIO,
}

func TestIssue15Proxies(t *testing.T) {
	program.InOwnStep(t)
	for _, name := range slices.Concat(proxy.Debian, proxy.NPM) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := before(t, serve(t, proxy.Options[name]...), name)
			for what, test := range passes {
				t.Run(what, func(t *testing.T) {
					t.Parallel()
					test(t, s)
				})
			}
		})
	}
}

// A client receives what it sent itself, and what is posted; also what is too long for one segment,
// and compressed.
func testRaw(t *testing.T, s *site) {
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	got := make(chan string, 3)
	c, err := ws.Dial(ctx, s.socket("/channels/raw"), ws.DialOptions{
		Header: http.Header{"Origin": {s.origin()}}, TLSConfig: s.TLS(), NetDial: s.Dial,
		OnMessage: func(_ *ws.Conn, m ws.Message) { got <- string(m.Data) },
	})
	must(t, err)
	defer c.Terminate()
	long := strings.Repeat("maru ", 20_000)
	must(t, c.SendText("mine"))
	must(t, c.SendText(long))
	for _, want := range []string{"mine", long} {
		receive(t, got, want)
	}
	mustPublish(t, s.http, s.URL+"/channels/raw", "posted")
	receive(t, got, "posted")
}

func receive(t testing.TB, got <-chan string, want string) {
	t.Helper()
	select {
	case text := <-got:
		if text != want {
			t.Fatalf("%d bytes came: %.80q, want %d: %.80q", len(text), text, len(want), want)
		}
	case <-time.After(program.Patience):
		t.Fatalf("%.80q did not come", want)
	}
}

func testV1(t *testing.T, s *site) {
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	c := s.dial(t)
	subscription, err := c.Subscribe("v1", client.SubscribeOptions{})
	must(t, err)
	event, err := subscription.Next(ctx)
	must(t, err)
	if _, ok := event.(*client.Subscribed); !ok {
		t.Fatalf("%T came, want Subscribed", event)
	}
	_, err = c.Publish(ctx, "v1", &maru.Publication{Data: []byte("hello")})
	must(t, err)
	if got := next(t, subscription); got != "hello" {
		t.Errorf("got %q", got)
	}
}

// A stream's first block and its events come at once, to a client that takes gzip.
func testStream(t *testing.T, s *site, c *http.Client, name string) {
	ctx, cancel := context.WithTimeout(t.Context(), prompt)
	defer cancel()
	channel := s.URL + "/channels/" + name
	resp, err := get(ctx, t, c, channel, "Accept", "text/event-stream", "Accept-Encoding", "gzip")
	must(t, err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s %s", resp.Status, resp.Header)
	}
	events := body(t, resp)
	await(t, events, "event: position\n")
	for _, text := range []string{"one", "two"} {
		mustPublish(t, s.http, channel, text)
		await(t, events, "data: "+text+"\n\n")
	}
}

func testPoll(t *testing.T, s *site) {
	channel := s.URL + "/channels/poll"
	answer := make(chan []byte, 1)
	go func() { answer <- ask(t, s, channel+"?wait=40s&since=0") }()
	mustPublish(t, s.http, channel, "polled")
	if b := <-answer; !bytes.Contains(b, []byte(`"polled"`)) {
		t.Errorf("a poll is answered with %s", b)
	}
}

// A poll that asks for more than proxies wait is answered before they end it.
func testLongestPoll(t *testing.T, s *site) {
	b := ask(t, s, s.URL+"/channels/silent?wait=60s")
	var h struct {
		Channel      string
		Publications []any
	}
	if err := json.Unmarshal(b, &h); err != nil || h.Channel != "silent" || len(h.Publications) != 0 {
		t.Errorf("it is answered with %s", b)
	}
}

// ask returns the body of an answer 200, else what was wrong.
func ask(t testing.TB, s *site, url string) []byte {
	resp, err := get(t.Context(), t, s.http, url)
	if err != nil {
		return []byte(err.Error())
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return []byte(resp.Status)
	}
	return b.Bytes()
}

// maru sees the client's own address, and not the one that the client claims.
func testAddress(t *testing.T, s *site) {
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	header := http.Header{"X-Forwarded-For": {"203.0.113.9"}, "Origin": {s.origin()}}
	c, err := ws.Dial(ctx, s.socket("/channels/where-from"), ws.DialOptions{Header: header, TLSConfig: s.TLS(), NetDial: s.Dial})
	must(t, err)
	defer c.Terminate()
	for {
		for line := range strings.SplitSeq(s.maru.Stderr.String(), "\n") {
			if strings.Contains(line, "where-from") {
				if !strings.Contains(line, proxy.ClientAddr) {
					t.Errorf("it is logged with another address than %s: %s", proxy.ClientAddr, line)
				}
				return
			}
		}
		select {
		case <-ctx.Done():
			t.Fatal("the connection is not in the log")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Pages of the site may connect and publish, and pages of others may not.
func testOrigins(t *testing.T, s *site) {
	for origin, want := range map[string]int{s.origin(): http.StatusOK, "https://other.example": http.StatusForbidden} {
		status, err := publish(t, s.http, s.URL+"/channels/origins", "hello", "Origin", origin)
		if err != nil || status != want {
			t.Errorf("POST by a page of %s: %d %v, want %d", origin, status, err, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
		defer cancel()
		c, err := ws.Dial(ctx, s.socket("/channels/origins"), ws.DialOptions{
			Header: http.Header{"Origin": {origin}}, TLSConfig: s.TLS(), NetDial: s.Dial,
		})
		if err == nil {
			c.Terminate()
		}
		var refused *ws.HandshakeError
		if opened := err == nil; opened != (want == http.StatusOK) {
			t.Errorf("WebSocket of a page of %s: %v", origin, err)
		} else if !opened && (!errors.As(err, &refused) || refused.Response.StatusCode != want) {
			t.Errorf("WebSocket of a page of %s: %v, want %d", origin, err, want)
		}
	}
}

func testReady(t *testing.T, s *site) {
	if b := ask(t, s, s.URL+"/readyz"); !strings.HasPrefix(string(b), "ok") {
		t.Errorf("/readyz: %s", b)
	}
}
