package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/server"
	"maru.example/maru/ws"
)

const bearable = 60 * time.Second // for anything that must happen, on a busy machine

// serve runs a real server until the test ends, or end is called.
func serve(t testing.TB, o server.Options) (s *server.Server, addr string, end func()) {
	t.Helper()
	o.Open, o.Loopback = o.Namespaces == nil, true
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	end = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), bearable)
		defer cancel()
		s.Shutdown(ctx)
		<-served
	})
	t.Cleanup(end)
	return s, l.Addr().String(), end
}

// dial connects, with waits that are short.
func dial(t testing.TB, url string, o client.Options) *client.Client {
	t.Helper()
	c, err := client.NewIn(client.Lab{Random: func() float64 { return 0.01 * rand.Float64() }}, url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func subscribe(t testing.TB, c *client.Client, channel string, o client.SubscribeOptions) *client.Subscription {
	t.Helper()
	s, err := c.Subscribe(channel, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// next is the next event of a kind; others are passed over.
func next[E client.Event](t testing.TB, s *client.Subscription) E {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	for {
		event, err := s.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := event.(E); ok {
			return e
		}
	}
}

// until waits for something that must become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(bearable)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("it never came to be that", what)
		}
		time.Sleep(time.Millisecond)
	}
}

func publish(t testing.TB, s *server.Server, channel, data string) maru.Position {
	t.Helper()
	at, err := s.Publish(t.Context(), channel, text(data))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestEverythingWithARealServer(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{
		Hooks: server.Hooks{Identify: func(r *http.Request, _ string) (server.Caller, error) {
			return server.Caller{User: r.Header.Get("X-User")}, nil
		}},
		RPC: func(_ context.Context, who server.Caller, method string, data json.RawMessage) (json.RawMessage, error) {
			if method != "greet" {
				return nil, server.ErrNoMethod
			}
			return json.Marshal(who.User + " says " + string(data))
		},
	})
	ctx := t.Context()
	c, err := client.Dial(ctx, "ws://"+addr, client.Options{Header: http.Header{"X-User": {"kim"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.User() != "kim" {
		t.Error(c.User())
	}
	first := publish(t, s, "chat", "first")
	chat := subscribe(t, c, "chat", client.SubscribeOptions{Last: 5, Presence: true})
	if at := next[*client.Subscribed](t, chat); at.Replay != 1 {
		t.Error(at)
	}
	if p := next[*client.Publication](t, chat); string(p.Data) != "first" || !p.Replay || p.Offset != first.Offset {
		t.Error(p)
	}
	second, err := c.Publish(ctx, "chat", &maru.Publication{Kind: maru.JSON, Data: []byte(`{"n": 2}`), Key: "k", Event: "price"})
	if err != nil {
		t.Fatal(err)
	}
	if p := next[*client.Publication](t, chat); string(p.Data) != `{"n":2}` || p.Key != "k" || p.Event != "price" || p.User != "kim" || p.Replay || p.Offset != second.Offset {
		t.Error(p)
	}
	if chat.Position() != second {
		t.Error(chat.Position())
	}
	if _, err := c.Publish(ctx, "chat", &maru.Publication{Kind: maru.Binary, Data: []byte{0, 255}}); err != nil {
		t.Fatal(err)
	}
	if p := next[*client.Publication](t, chat); string(p.Data) != "\x00\xff" || p.Kind != maru.Binary {
		t.Error(p)
	}
	h, err := c.History(ctx, "chat", maru.HistoryQuery{Since: &first, Limit: 1})
	if err != nil || len(h.Publications) != 1 || h.Publications[0].Event != "price" || h.Publications[0].Offset != second.Offset || h.Epoch != first.Epoch || h.Gap != nil {
		t.Error(h, err)
	}
	h, err = c.History(ctx, "chat", maru.HistoryQuery{Before: &second, Limit: 5})
	if err != nil || len(h.Publications) != 1 || h.Publications[0].Offset != first.Offset || h.Gap != nil {
		t.Error(h, err)
	}
	if _, err := c.History(ctx, "chat", maru.HistoryQuery{Since: &first, Before: &second}); !isCode(err, maru.CodeBadRequest) {
		t.Error(err)
	}
	here, err := c.Presence(ctx, "chat")
	if err != nil || here.Count != 1 || here.Users[0].User != "kim" || here.Channel != "chat" {
		t.Error(here, err)
	}
	lee := dial(t, "http://"+addr, client.Options{Header: http.Header{"X-User": {"lee"}}})
	subscribe(t, lee, "chat", client.SubscribeOptions{})
	for {
		if p := next[*client.Presence](t, chat); strings.Join(p.Joined, " ") == "lee" && strings.Join(p.Users, " ") == "kim lee" {
			break
		}
	}
	var greeting string
	if err := c.RPC(ctx, "greet", 7, &greeting); err != nil || greeting != "kim says 7" {
		t.Error(greeting, err)
	}
	if err := c.RPC(ctx, "nothing", nil, nil); !isCode(err, maru.CodeNotFound) {
		t.Error(err)
	}
	if _, err := c.Publish(ctx, "$x", text("")); !isCode(err, maru.CodeNotAllowed) {
		t.Error(err)
	}
	done, err := c.PublishWith(ctx, "v", text("a"), maru.PublishOptions{Version: 5})
	if err != nil || done.Stale {
		t.Error(done, err)
	}
	if done, err = c.PublishWith(ctx, "v", text("b"), maru.PublishOptions{Version: 4}); err != nil || !done.Stale {
		t.Error(done, err)
	}
	for i := range 2 {
		if done, err = c.PublishWith(ctx, "v", text("c"), maru.PublishOptions{IdempotencyKey: "c"}); err != nil || done.Replayed != (i == 1) {
			t.Error(done, err)
		}
	}
	if _, err = c.PublishWith(ctx, "v", text("d"), maru.PublishOptions{IdempotencyKey: "c"}); !isCode(err, maru.CodeIdempotencyConflict) {
		t.Error(err)
	}
	chat.Unsubscribe()
	until(t, "kim has left", func() bool { return s.Presence("chat").Count == 1 })
	s.Disconnect(server.Target{User: "kim"})
	<-c.Done()
	if !isCode(c.Err(), maru.CodeRevoked) {
		t.Error(c.Err())
	}
}

// With any network faults, each publication arrives once and in order.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	const n = 3000
	s, addr, _ := serve(t, server.Options{HistoryPublications: n})
	r := newRelay(t, addr)
	c := dial(t, r.url(), client.Options{})
	sub := subscribe(t, c, "orders", client.SubscribeOptions{Since: new(maru.Position), MaxQueued: 200})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range n {
			s.Publish(context.Background(), "orders", text(strconv.Itoa(i)))
			if i%25 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	stop := misbehave(t, r, c)
	for i := range n {
		p := next[*client.Publication](t, sub)
		if string(p.Data) != strconv.Itoa(i) {
			t.Fatalf("%s came, not %d", p.Data, i)
		}
	}
	stop()
	<-done
	if got := r.connections(); got < 3 {
		t.Error("there were only", got, "connections")
	}
}

// misbehave does something to the network every few milliseconds, until it is stopped.
func misbehave(t *testing.T, r *relay, c *client.Client) (stop func()) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	over := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			switch random.IntN(5) {
			case 0:
				r.treat(holds)
			case 1:
				r.treat(crawls)
			case 2: // a cut must follow lost bytes: TCP does not lose the middle
				r.treat(swallows)
				time.Sleep(time.Duration(random.IntN(10)) * time.Millisecond)
				r.cut()
				r.treat(passes)
			case 3:
				r.treat(passes)
				c.Reconnect()
			default:
				r.cut()
				r.treat(passes)
			}
			select {
			case <-over:
				r.treat(passes)
				return
			case <-time.After(time.Duration(random.IntN(40)) * time.Millisecond):
			}
		}
	})
	stop = sync.OnceFunc(func() { close(over); running.Wait() })
	t.Cleanup(stop)
	return stop
}

// With a history that is too short, every publication comes or lies in a gap.
func TestComesOrIsAGap(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{HistoryPublications: 7})
	r := newRelay(t, addr)
	c := dial(t, r.url(), client.Options{})
	sub := subscribe(t, c, "orders", client.SubscribeOptions{Since: new(maru.Position), MaxQueued: 5})
	const n = 2000
	last := make(chan uint64, 1)
	go func() {
		var at maru.Position
		for i := range n {
			at, _ = s.Publish(context.Background(), "orders", text(strconv.Itoa(i)))
			if i%10 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		last <- at.Offset
	}()
	stop := misbehave(t, r, c)
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	var covered, gaps, came uint64
	var end uint64
	for end == 0 || covered < end {
		select {
		case end = <-last:
			stop()
			c.Reconnect() // the next event after the last publication shows the last gap
			if covered >= end {
				continue
			}
		default:
		}
		event, err := sub.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		switch e := event.(type) {
		case *client.Gap:
			if e.From != covered+1 || e.To < e.From {
				t.Fatalf("a gap from %d to %d after %d", e.From, e.To, covered)
			}
			covered = e.To
			gaps++
		case *client.Publication: // of the only channel: here the offsets are consecutive
			if e.Offset != covered+1 || string(e.Data) != strconv.FormatUint(e.Offset-1, 10) {
				t.Fatalf("%d (%s) after %d", e.Offset, e.Data, covered)
			}
			covered = e.Offset
			came++
		}
		if sub.Position().Offset != covered {
			t.Fatalf("the position is %v after %d", sub.Position(), covered)
		}
	}
	t.Logf("%d came, %d gaps", came, gaps)
	if gaps == 0 || came == 0 {
		t.Error(gaps, came)
	}
}

// With any network faults, acknowledged publications are there once, and in the order in
// which they were published.
func TestPublishedOnce(t *testing.T) {
	t.Parallel()
	const n = 400
	_, addr, _ := serve(t, server.Options{HistoryPublications: n + 10})
	r := newRelay(t, addr)
	c := dial(t, r.url(), client.Options{})
	stop := misbehave(t, r, c)
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	positions := make([]maru.Position, n)
	for i := range n {
		var err error
		if positions[i], err = c.Publish(ctx, "orders", text(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	h, err := c.History(ctx, "orders", maru.HistoryQuery{Limit: -1})
	if err != nil || len(h.Publications) != n {
		t.Fatal(len(h.Publications), err)
	}
	for i, p := range h.Publications {
		if string(p.Data) != strconv.Itoa(i) || p.Offset != positions[i].Offset {
			t.Fatalf("%d is %s at %d, acknowledged at %d", i, p.Data, p.Offset, positions[i].Offset)
		}
	}
}

func TestAServerThatIsKilledAndStartedAgain(t *testing.T) {
	t.Parallel()
	_, addr, end := serve(t, server.Options{})
	r := newRelay(t, addr)
	c := dial(t, r.url(), client.Options{})
	sub := subscribe(t, c, "chat", client.SubscribeOptions{})
	old := next[*client.Subscribed](t, sub)
	if _, err := c.Publish(t.Context(), "chat", text("before")); err != nil {
		t.Fatal(err)
	}
	next[*client.Publication](t, sub)
	r.cut() // it does not say good-bye
	end()
	again, addr, _ := serve(t, server.Options{})
	publish(t, again, "chat", "anew")
	r.to(addr)
	if gap := next[*client.Gap](t, sub); gap.Reason != maru.GapEpoch {
		t.Error(gap)
	}
	if at := next[*client.Subscribed](t, sub); at.Epoch == old.Epoch || !at.Recovered {
		t.Error(at)
	}
	if p := next[*client.Publication](t, sub); string(p.Data) != "anew" {
		t.Error(p)
	}
	if _, err := c.Publish(t.Context(), "chat", text("after")); err != nil {
		t.Fatal(err)
	}
	if p := next[*client.Publication](t, sub); string(p.Data) != "after" {
		t.Error(p)
	}
}

func TestAConnectionThatSwallowsEverythingIsReplaced(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{PingInterval: 100 * time.Millisecond})
	r := newRelay(t, addr)
	c, err := client.NewIn(client.Lab{Tick: 20 * time.Millisecond, Ping: 500 * time.Millisecond, Random: func() float64 { return 0.01 }}, r.url(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	sub := subscribe(t, c, "chat", client.SubscribeOptions{})
	next[*client.Subscribed](t, sub)
	r.treat(swallows)
	publish(t, s, "chat", "missed")
	until(t, "the silence is noticed", func() bool { return c.State() != client.Open })
	r.cut() // a handshake hangs there, for 30 s
	r.treat(passes)
	if p := next[*client.Publication](t, sub); string(p.Data) != "missed" || !p.Replay {
		t.Error(p)
	}
}

func TestWhoDoesNotReadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	const n = 2000
	s, addr, _ := serve(t, server.Options{HistoryPublications: n})
	c := dial(t, "http://"+addr, client.Options{})
	lazy := subscribe(t, c, "lazy", client.SubscribeOptions{MaxQueued: 50})
	next[*client.Subscribed](t, lazy)
	busy := subscribe(t, c, "busy", client.SubscribeOptions{})
	for i := range n {
		publish(t, s, "lazy", strconv.Itoa(i))
	}
	// From the loop in which it reads, too.
	if _, err := c.Publish(t.Context(), "busy", text("x")); err != nil {
		t.Fatal(err)
	}
	next[*client.Subscribed](t, busy)
	for i := range n {
		if p := next[*client.Publication](t, lazy); string(p.Data) != strconv.Itoa(i) {
			t.Fatalf("%s came, not %d", p.Data, i)
		}
	}
}

func TestManySubscriptionsOfOneChannel(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{MaxChannels: 2})
	c := dial(t, "http://"+addr, client.Options{})
	publish(t, s, "a", "old")
	var subs []*client.Subscription
	for i := range 6 {
		subs = append(subs, subscribe(t, c, "a", client.SubscribeOptions{Last: i % 2}))
	}
	for i, sub := range subs {
		next[*client.Subscribed](t, sub)
		if i%2 == 1 {
			next[*client.Publication](t, sub)
		}
	}
	publish(t, s, "a", "new")
	for _, sub := range subs {
		if p := next[*client.Publication](t, sub); string(p.Data) != "new" {
			t.Error(p)
		}
		sub.Unsubscribe()
	}
	until(t, "one connection is left", func() bool { return s.Presence("a").Anonymous == 0 })
}

func TestTokens(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, server.Options{Access: server.Access{
		Namespaces: map[string]server.Namespace{"default": {Subscribe: maru.SignedIn, Publish: maru.SignedIn}},
		TokenKeys:  [][]byte{[]byte(secret)},
	}})
	made := 0
	c := dial(t, "http://"+addr, client.Options{Token: func(context.Context) (string, error) {
		if made++; made == 1 {
			return token("kim", -time.Minute), nil // expired: another is made
		}
		return token("kim", time.Hour), nil
	}})
	if _, err := c.Publish(t.Context(), "a", text("x")); err != nil || c.User() != "kim" || made != 2 {
		t.Error(err, c.User(), made)
	}
	sub := subscribe(t, c, "a", client.SubscribeOptions{Since: new(maru.Position)}) // history is for nobody
	if gap := next[*client.Gap](t, sub); gap.From != 1 || gap.To != 1 {
		t.Error(gap)
	}
	if _, err := c.History(t.Context(), "a", maru.HistoryQuery{}); !isCode(err, maru.CodeNotAllowed) {
		t.Error(err)
	}

	_, err := client.Dial(t.Context(), "http://"+addr, client.Options{Token: func(context.Context) (string, error) { return "nonsense", nil }})
	if !isCode(err, maru.CodeBadToken) {
		t.Error(err)
	}
	anonymous := dial(t, "http://"+addr, client.Options{})
	if _, err := subscribe(t, anonymous, "a", client.SubscribeOptions{}).Next(t.Context()); !isCode(err, maru.CodeNotAllowed) {
		t.Error(err)
	}
}

// Back ends act on the living: one subscription ends, or the client comes back with a new token,
// whose rights then count.
func TestABackEndTakesRights(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{Access: server.Access{
		Namespaces: map[string]server.Namespace{"room": {Subscribe: maru.ByToken, History: maru.ByToken}},
		TokenKeys:  [][]byte{[]byte(secret)},
	}})
	tokens := make(chan string, 2)
	tokens <- token("kim", time.Hour, "room:1", "room:2", "room:3")
	tokens <- token("kim", time.Hour, "room:1")
	c := dial(t, "http://"+addr, client.Options{Token: func(context.Context) (string, error) { return <-tokens, nil }})
	stays, taken, ended := subscribe(t, c, "room:1", client.SubscribeOptions{}), subscribe(t, c, "room:2", client.SubscribeOptions{}), subscribe(t, c, "room:3", client.SubscribeOptions{})
	for _, sub := range []*client.Subscription{stays, taken, ended} {
		next[*client.Subscribed](t, sub)
	}
	if n, err := s.Unsubscribe(server.Target{User: "kim", Channel: "room:3"}); n != 1 || err != nil {
		t.Errorf("%d unsubscribed, %v", n, err)
	}
	if _, err := ended.Next(t.Context()); !isCode(err, maru.CodeRevoked) {
		t.Error(err)
	}
	if n, err := s.Reconnect(server.Target{User: "kim"}); n != 1 || err != nil {
		t.Errorf("%d asked to come back, %v", n, err)
	}
	if _, err := taken.Next(t.Context()); !isCode(err, maru.CodeNotAllowed) {
		t.Error(err)
	}
	if again := next[*client.Subscribed](t, stays); !again.Recovered {
		t.Errorf("%+v", again)
	}
	if len(tokens) != 0 {
		t.Error("it came back with the old token")
	}
}

func TestTheCookiesOfAnHTTPClient(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, server.Options{})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	browser := &http.Client{Jar: jar, Transport: transport}
	answer, err := browser.Post("http://"+addr+"/session", "application/json", strings.NewReader(`{"nickname":"kim"}`))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusCreated {
		t.Fatal(answer.Status)
	}
	c, err := client.Dial(t.Context(), "http://"+addr, client.Options{Jar: jar})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.User() != "kim" {
		t.Error(c.User())
	}
}

func TestRefusedByHTTP(t *testing.T) {
	t.Parallel()
	refusals := make(chan error, 1)
	_, addr, _ := serve(t, server.Options{Hooks: server.Hooks{Identify: func(*http.Request, string) (server.Caller, error) {
		select {
		case err := <-refusals:
			return server.Caller{}, err
		default:
			return server.Caller{}, nil
		}
	}}})
	refusals <- maru.NewError(maru.CodeNotAllowed, "not you")
	if _, err := client.Dial(t.Context(), "http://"+addr, client.Options{}); !isCode(err, maru.CodeNotAllowed) {
		t.Error(err)
	}
	refusals <- maru.NewError(maru.CodeRateLimited, "for now") // for a second
	var states states
	c := dial(t, "http://"+addr, client.Options{OnState: states.note})
	until(t, "it is open", func() bool { return c.State() == client.Open })
	if got := states.all(); len(got) < 4 || got[1] != "waiting rate_limited" {
		t.Error(got)
	}
}

func TestWhatIsNoMaru(t *testing.T) {
	t.Parallel()
	raw := webSockets(t, &ws.Server{})
	other := dial(t, raw, client.Options{}) // another server that has the address for now
	until(t, "it waits, and says why", func() bool { return other.State() == client.Waiting && isCode(other.Err(), maru.CodeBadRequest) })
	page := httptest.NewServer(http.NotFoundHandler())
	defer page.Close()
	c := dial(t, page.URL, client.Options{}) // a proxy whose server is being replaced says that, too
	until(t, "it waits", func() bool { return c.State() == client.Waiting })
	var handshake *ws.HandshakeError
	if err := c.Err(); err != nil && !errors.As(err, &handshake) {
		t.Error(err)
	}
	binary := webSockets(t, &ws.Server{
		Subprotocols: []string{"maru.v1"},
		OnMessage:    func(c *ws.Conn, m ws.Message) { c.SendBinary([]byte("{}")) },
	})
	c = dial(t, binary, client.Options{})
	until(t, "a binary message ends it", func() bool { return c.State() == client.Waiting })
}

// webSockets serves WebSockets that are not maru's.
func webSockets(t *testing.T, s *ws.Server) (url string) {
	site := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Shutdown(context.Background())
		site.Close()
	})
	return site.URL
}

func TestTLS(t *testing.T) {
	t.Parallel()
	live, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Shutdown(context.Background())
	mux := http.NewServeMux()
	mux.Handle("/live/", http.StripPrefix("/live", live))
	site := httptest.NewUnstartedServer(mux)
	site.Config.ErrorLog = log.New(io.Discard, "", 0) // of the client that does not trust it
	site.StartTLS()
	defer site.Close()
	trusted := site.Client().Transport.(*http.Transport).TLSClientConfig
	c, err := client.Dial(t.Context(), site.URL+"/live/", client.Options{TLSConfig: trusted})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Publish(t.Context(), "a", text("x")); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.Dial(ctx, site.URL+"/live/", client.Options{}); err == nil {
		t.Error("a certificate of nobody's was trusted")
	}
	c.Close()
}

func TestLargeMessages(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, server.Options{})
	c := dial(t, "http://"+addr, client.Options{})
	sub := subscribe(t, c, "a", client.SubscribeOptions{})
	next[*client.Subscribed](t, sub)
	large := strings.Repeat("x", 1<<20-300) // with its envelope it comes back as more than 1 MiB
	if _, err := c.Publish(t.Context(), "a", &maru.Publication{Data: []byte(large), Key: strings.Repeat("k", 100)}); err != nil {
		t.Fatal(err)
	}
	if p := next[*client.Publication](t, sub); string(p.Data) != large {
		t.Error(len(p.Data))
	}
	if _, err := c.Publish(t.Context(), "a", text(large+large)); !isCode(err, maru.CodeTooLarge) {
		t.Error(err)
	}
	small := dial(t, "http://"+addr, client.Options{MaxMessageBytes: 1000})
	if _, err := small.History(t.Context(), "a", maru.HistoryQuery{}); !isCode(err, maru.CodeTooLarge) {
		t.Error(err)
	}
	until(t, "it is back", func() bool { return small.State() == client.Open })
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	_, addr, _ := serve(t, server.Options{HistoryPublications: 10_000})
	r := newRelay(t, addr)
	c := dial(t, r.url(), client.Options{})
	stop := misbehave(t, r, c)
	ctx, cancel := context.WithTimeout(t.Context(), bearable)
	defer cancel()
	var running sync.WaitGroup
	for i := range 20 {
		running.Go(func() {
			channel := fmt.Sprint("c", i%5)
			sub := subscribe(t, c, channel, client.SubscribeOptions{Since: new(maru.Position)})
			defer sub.Unsubscribe()
			for j := range 20 {
				if _, err := c.Publish(ctx, channel, text(fmt.Sprint(i, " ", j))); err != nil {
					t.Error(err)
					return
				}
			}
			for n := 0; n < 80; {
				event, err := sub.Next(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				switch event.(type) {
				case *client.Publication:
					n++
				case *client.Gap:
					t.Error("a gap")
				}
			}
		})
	}
	running.Wait()
	stop()
}

// A server that drains says when to reconnect, and no client reconnects earlier.
func TestADrainedServer(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{})
	_, other, _ := serve(t, server.Options{})
	r := newRelay(t, addr)
	c := dial(t, r.url(), client.Options{})
	sub := subscribe(t, c, "a", client.SubscribeOptions{})
	next[*client.Subscribed](t, sub)
	const over = 300 * time.Millisecond
	began := time.Now()
	r.to(other)
	if err := s.Drain(t.Context(), over); err != nil {
		t.Error(err)
	}
	if gap := next[*client.Gap](t, sub); gap.Reason != maru.GapEpoch {
		t.Error(gap)
	}
	if took := time.Since(began); took < over {
		t.Error("it was back after", took)
	}
	if n := r.connections(); n != 2 {
		t.Error(n, "connections")
	}
}
