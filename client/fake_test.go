package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
)

// A fake is a server of maru.v1 without sockets, whose time is that of a synctest bubble.
// It does what the test says, and records its calls. Where the real server can be brought
// to do the same, tests use that.
type fake struct {
	t *testing.T

	mu      sync.Mutex
	down    bool  // handshakes are not answered
	refuse  error // the next one is refused
	sockets []*socket
	log     []command
	mute    map[string]bool // commands that are carried out and not answered
	errors  map[string]error
	welcome map[string]any
	answer  func(s *socket, c command) (reply any, err error) // before all else; nil, nil: as always
	slept   time.Duration

	queuedBytes int // see Lab

	epoch string
	last  uint64
	keep  int
	sent  int // publications out of the history
	past  map[string][]maru.Publication
	keys  map[string]uint64 // offsets by idempotency key
}

type command struct {
	id   uint64
	name string
	body json.RawMessage
}

type socket struct {
	f    *fake
	sink client.Sink
	in   chan []byte
	over chan ending

	// Guarded by f.mu.
	live       bool
	subscribed map[string]bool
}

type ending struct {
	code   int
	reason string
}

// inBubble runs a test in a bubble, with a fake.
func inBubble(t *testing.T, test func(t *testing.T, f *fake)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		test(t, &fake{
			t: t, epoch: "one", keep: 100,
			mute: make(map[string]bool), errors: make(map[string]error), welcome: map[string]any{"ping": 25000},
			past: make(map[string][]maru.Publication), keys: make(map[string]uint64),
		})
	})
}

// client makes one, half of whose waits are over: the random number is always 0.5.
func (f *fake) client(o client.Options) *client.Client {
	f.t.Helper()
	c, err := client.NewIn(client.Lab{
		Dial: f.dial, QueuedBytes: f.queuedBytes,
		Random: func() float64 { return 0.5 },
		Wall: func() time.Time {
			f.mu.Lock()
			defer f.mu.Unlock()
			return time.Now().Round(0).Add(f.slept)
		},
	}, "https://host", o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	synctest.Wait()
	return c
}

func (f *fake) dial(ctx context.Context, header http.Header, to client.Sink) (client.Wire, error) {
	s := &socket{f: f, sink: to, in: make(chan []byte, 5000), over: make(chan ending, 1), subscribed: make(map[string]bool)}
	f.mu.Lock()
	f.sockets = append(f.sockets, s)
	down, refused := f.down, f.refuse
	f.refuse = nil
	f.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	if down {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	s.live = true
	go s.serve()
	return s, nil
}

func (s *socket) serve() {
	for {
		select {
		case text := <-s.in:
			s.f.take(s, text)
		case e := <-s.over:
			s.f.mu.Lock()
			clear(s.subscribed)
			s.live = false
			s.f.mu.Unlock()
			s.sink.Closed(e.code, e.reason)
			return
		}
	}
}

func (s *socket) Send(text []byte) error { s.in <- text; return nil }
func (s *socket) Close()                 { s.end(1000, "") }
func (s *socket) Terminate()             { s.end(1006, "") }

func (s *socket) end(code int, reason string) {
	select {
	case s.over <- ending{code, reason}:
	default:
	}
}

func (s *socket) push(format string, args ...any) { s.sink.Take(fmt.Appendf(nil, format, args...)) }

// take carries out a command.
func (f *fake) take(s *socket, text []byte) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		f.t.Errorf("a command that is no JSON: %s", text)
		return
	}
	var c command
	json.Unmarshal(parts["id"], &c.id)
	delete(parts, "id")
	for name, body := range parts {
		c.name, c.body = name, body
	}
	f.mu.Lock()
	f.log = append(f.log, c)
	answer, refusal, mute := f.answer, f.errors[c.name], f.mute[c.name]
	delete(f.errors, c.name)
	f.mu.Unlock()
	var reply any
	err := refusal
	if answer != nil && err == nil {
		reply, err = answer(s, c)
	}
	var after []maru.Publication
	if reply == nil && err == nil {
		reply, after, err = f.carryOut(s, c)
	}
	if mute {
		return
	}
	var refused *maru.Error
	if errors.As(err, &refused) {
		s.push(`{"id":%d,"error":{"code":%q,"message":%q}}`, c.id, refused.Code, refused.Message)
		return
	}
	body, err := json.Marshal(reply)
	if err != nil {
		f.t.Error(err)
	}
	s.push(`{"id":%d,%q:%s}`, c.id, c.name, body)
	for _, p := range after {
		s.pushPublication(channelOf(c), &p)
	}
}

func channelOf(c command) string {
	var body struct{ Channel string }
	json.Unmarshal(c.body, &body)
	return body.Channel
}

func (s *socket) pushPublication(channel string, p *maru.Publication) {
	body, err := json.Marshal(p)
	if err != nil {
		s.f.t.Error(err)
	}
	s.push(`{"channel":%q,"publication":%s}`, channel, body)
}

// carryOut is what a server does, as far as the tests need it.
func (f *fake) carryOut(s *socket, c command) (reply any, replay []maru.Publication, err error) {
	var body struct {
		Channel, Since, Data, Key string
		Last, Limit               int
		IdempotencyKey            string `json:"idempotency_key"`
		Transient                 bool
	}
	json.Unmarshal(c.body, &body)
	switch c.name {
	case "connect":
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.welcome, nil, nil
	case "publish":
		f.mu.Lock()
		offset, known := f.keys[body.IdempotencyKey]
		f.mu.Unlock()
		if !known {
			offset = f.publishAs(body.Channel, body.Data, body.Key, body.Transient)
			f.mu.Lock()
			f.keys[body.IdempotencyKey] = offset
			f.mu.Unlock()
		}
		return map[string]any{"epoch": f.epoch, "offset": offset, "replayed": known}, nil, nil
	case "subscribe":
		return f.subscribe(s, body.Channel, body.Since, body.Last)
	case "history":
		return f.history(body.Channel, body.Since, body.Limit)
	case "unsubscribe":
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(s.subscribed, body.Channel)
	}
	return struct{}{}, nil, nil
}

func (f *fake) subscribe(s *socket, channel, since string, last int) (any, []maru.Publication, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := f.since(channel, since)
	if err != nil {
		return nil, nil, err
	}
	s.subscribed[channel] = true
	replay := h.after
	if since == "" {
		replay = h.after[len(h.after)-min(last, len(h.after)):]
		h.start = h.head
		if len(replay) > 0 {
			h.start = replay[0].Offset - 1
		}
	}
	f.sent += len(replay)
	return map[string]any{"channel": channel, "epoch": f.epoch, "offset": h.start, "replay": len(replay), "gap": h.gap}, replay, nil
}

func (f *fake) history(channel, since string, limit int) (any, []maru.Publication, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	h, err := f.since(channel, since)
	if err != nil {
		return nil, nil, err
	}
	publications := []*maru.Publication{}
	for _, p := range h.after[:min(limit, len(h.after))] {
		publications = append(publications, &p)
	}
	f.sent += len(publications)
	return map[string]any{"channel": channel, "epoch": f.epoch, "offset": h.head, "publications": publications, "gap": h.gap}, nil, nil
}

// kept is what there is of a channel after a position.
type kept struct {
	head, start uint64
	after       []maru.Publication
	gap         *maru.Gap
}

func (f *fake) since(channel, since string) (h kept, err error) {
	past := f.past[channel]
	if len(past) > 0 {
		h.head = past[len(past)-1].Offset
	}
	gone := max(0, len(past)-f.keep)
	h.after = past[gone:]
	if since == "" {
		return h, nil
	}
	at, err := maru.ParsePosition(since)
	if err != nil {
		return h, err
	}
	if at.Epoch != f.epoch {
		h.gap, at.Offset = &maru.Gap{Reason: maru.GapEpoch}, 0
	} else if gone > 0 && past[gone-1].Offset > at.Offset {
		h.gap = &maru.Gap{Reason: maru.GapExpired, From: at.Offset + 1, To: past[gone-1].Offset}
		at.Offset = past[gone-1].Offset
	}
	h.start = at.Offset
	for len(h.after) > 0 && h.after[0].Offset <= at.Offset {
		h.after = h.after[1:]
	}
	return h, nil
}

// publish publishes as others do. Offsets rise by 3.
func (f *fake) publish(channel, data string) { f.publishAs(channel, data, "", false) }

func (f *fake) publishAs(channel, data, key string, transient bool) uint64 {
	p := maru.Publication{Data: []byte(data), Key: key, Time: time.Now()}
	f.mu.Lock()
	if !transient {
		f.last += 3
		p.Offset = f.last
		f.past[channel] = append(f.past[channel], p)
	}
	var to []*socket
	for _, s := range f.sockets {
		if s.subscribed[channel] {
			to = append(to, s)
		}
	}
	f.mu.Unlock()
	for _, s := range to {
		s.pushPublication(channel, &p)
	}
	return p.Offset
}

// restart ends every socket, and all that was.
func (f *fake) restart(epoch string) {
	f.mu.Lock()
	f.epoch, f.last = epoch, 0
	clear(f.past)
	f.mu.Unlock()
	f.end(1001, "shutting_down")
}

// end closes all sockets.
func (f *fake) end(code int, reason string) {
	f.mu.Lock()
	sockets := f.sockets
	f.mu.Unlock()
	for _, s := range sockets {
		s.end(code, reason)
	}
	synctest.Wait()
}

// socket is the newest one, opened is how many there were.
func (f *fake) socket() *socket {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.sockets[len(f.sockets)-1]
}

func (f *fake) opened() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.sockets)
}

// asked are the bodies of the commands of a name.
// asked returns the commands of a name, without the secret of connect.
func (f *fake) asked(name string) (bodies []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.log {
		if c.name == name {
			bodies = append(bodies, secretField.ReplaceAllString(string(c.body), ""))
		}
	}
	return bodies
}

var secretField = regexp.MustCompile(`,?"secret":"([^"]*)"`)

// secrets returns the secret of each connect.
func (f *fake) secrets() (all []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.log {
		if c.name == "connect" {
			all = append(all, secretField.FindStringSubmatch(string(c.body))[1])
		}
	}
	return all
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// pass lets time pass.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// watch keeps what a subscription brings, as words.
type watch struct {
	*client.Subscription
	mu   sync.Mutex
	seen []string
}

// on subscribes, and takes all that comes.
func on(t *testing.T, c *client.Client, channel string, o client.SubscribeOptions) *watch {
	t.Helper()
	s, err := c.Subscribe(channel, o)
	if err != nil {
		t.Fatal(err)
	}
	w := &watch{Subscription: s}
	var running sync.WaitGroup
	running.Go(func() {
		for event, err := range s.All(context.Background()) {
			w.note(event, err)
		}
	})
	t.Cleanup(func() { s.Unsubscribe(); running.Wait() })
	return w
}

func (w *watch) note(event client.Event, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if word := word(event, err); word != "" {
		w.seen = append(w.seen, word)
	}
}

func word(event client.Event, err error) string {
	if err != nil {
		if e := new(maru.Error); errors.As(err, &e) {
			return "over " + string(e.Code)
		}
		return "over"
	}
	switch e := event.(type) {
	case *client.Publication:
		return string(e.Data)
	case *client.Gap:
		if e.Reason == maru.GapEpoch {
			return "gap"
		}
		return fmt.Sprintf("gap %d-%d", e.From, e.To)
	case *client.Presence:
		words := []string{fmt.Sprintf("here %d", e.Count)}
		words = append(words, e.Users...)
		for _, user := range e.Joined {
			words = append(words, "+"+user)
		}
		for _, user := range e.Left {
			words = append(words, "-"+user)
		}
		return strings.Join(words, " ")
	}
	return ""
}

func (w *watch) words() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.seen, ", ")
}

func (w *watch) saw(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := w.words(); got != want {
		t.Errorf("%s brought %q, not %q", w.Channel(), got, want)
	}
}

func refusal(code maru.Code) error { return maru.NewError(code, "no") }

func isCode(err error, code maru.Code) bool { return errors.Is(err, &maru.Error{Code: code}) }
