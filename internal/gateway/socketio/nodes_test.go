package socketio_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
	"maru.example/maru/tests/natstest"
)

func newNode(t *testing.T, nats string, g socketio.Options) *world {
	t.Helper()
	return newWorld(t, server.Options{Broker: cluster.Opener(cluster.Servers{URLs: []string{nats}}, cluster.Options{Beat: 200 * time.Millisecond})}, g)
}

// on is the same client, whose next requests find another node.
func (p *polls) on(w *world) *polls {
	return &polls{world: w, query: p.query, got: p.got}
}

// knows waits until a node carries requests of a session of another one.
func (w *world) knows(p *polls) {
	w.t.Helper()
	w.until("the nodes know each other", func() bool {
		status, _ := w.ask("POST", p.query, "3")
		return status == 200
	})
}

// A client upgrades to a WebSocket that arrives at another node than its session. It is the session's from
// then on, with messages of any size in both directions, and with its end.
func TestUpgradeOnAnotherNode(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	a, b := newNode(t, nats, socketio.Options{}), newNode(t, nats, socketio.Options{})
	for _, end := range []string{"the client's", "the server's", "its node's"} {
		p := a.polling()
		b.knows(p)
		p.on(b).post("40")
		p.on(b).wants(`40{"sid":…`)
		ws := strings.Replace(p.query, "polling", "websocket", 1)
		s, err := b.dial(ws, nil)
		if err != nil {
			t.Fatal(err)
		}
		s.says("2probe")
		s.wants("3probe")
		second, err := b.dial(ws, nil)
		if err != nil {
			t.Fatal(err)
		}
		second.wants("closed 4500 bad_request")
		s.says("5", `420["subscribe","news"]`)
		s.wants(`430[{"channel":"news"…`)
		for i := range 20 {
			text := strings.Repeat(fmt.Sprint(i%10), 3000*i)
			s.says(fmt.Sprintf(`42["publish","news","%s"]`, text))
			s.wants(`42["message","news","` + text + `",…`)
		}
		if status, body := b.ask("GET", p.query, ""); status != 400 {
			t.Errorf("a poll after the upgrade: %d %s", status, body)
		}
		n := a.server.Connections()
		switch end {
		case "the client's":
			s.Terminate()
			a.until("the session has ended", func() bool { return a.server.Connections() == n-1 })
		case "the server's":
			s.says("40") // a second connect packet
			s.wants(`42["error"…`, "41", "closed…")
		default:
			a.server.Shutdown(t.Context())
			s.wants("closed…")
		}
	}
}

// nodeBroker is what a server uses of the broker of a node here.
type nodeBroker interface {
	maru.Broker
	maru.Bus
	maru.Follower
	maru.SharedKeeper
	maru.BatchKeeper
}

// lossy is a node whose questions to others are lost, if it is told so.
type lossy struct {
	nodeBroker
	loses atomic.Bool
	lost  atomic.Int32
	found chan struct{} // closed: what waits for an answer fails
}

func (l *lossy) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	if l.loses.Load() {
		l.lost.Add(1)
		select {
		case <-ctx.Done():
		case <-l.found:
		}
		return nil, maru.NewError(maru.CodeUnavailable, "the question was lost")
	}
	return l.nodeBroker.Ask(ctx, node, kind, data)
}

func (l *lossy) opener(nats string) func(maru.BrokerOptions) (maru.Broker, error) {
	return func(o maru.BrokerOptions) (maru.Broker, error) {
		inner, err := cluster.Opener(cluster.Servers{URLs: []string{nats}}, cluster.Options{Beat: 200 * time.Millisecond})(o)
		if err != nil {
			return nil, err
		}
		l.nodeBroker = inner.(nodeBroker)
		return l, nil
	}
}

// A node that does not answer for a moment is asked again for a client of which NATS has nothing yet.
func TestNodeThatAnswersLater(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	late := socketio.Options{}.WithWriteAfter(time.Hour)
	way := &lossy{found: make(chan struct{})}
	close(way.found) // a question fails at once
	a, b := newNode(t, nats, late), newWorld(t, server.Options{Broker: way.opener(nats)}, late)
	b.knows(a.polling())
	s := a.socket(nil)
	who := s.connects("")
	s.says(`420["subscribe","x"]`)
	s.wants("430…")
	a.publish("x", "1")
	last := offsetOf(t, s.wants(`42["message","x","1",…`))
	s.Terminate()
	way.loses.Store(true)
	go func() {
		for way.lost.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		way.loses.Store(false)
	}()
	if again := b.socket(nil).connects(who.auth(last)); again != who {
		t.Errorf("came back as %+v, was %+v", again, who)
	}
}

// A tunnel whose piece is lost ends, though both nodes live: nothing would go on behind that piece.
func TestLostPieceOfTunnel(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	a := newNode(t, nats, socketio.Options{})
	mount, tunnels := socketio.MountWithTunnels(socketio.Options{PingInterval: 200 * time.Millisecond, PingTimeout: 100 * time.Millisecond})
	way := &lossy{found: make(chan struct{})}
	b := newWorld(t, server.Options{Gateways: []server.Gateway{mount}, Broker: way.opener(nats)}, socketio.Options{})
	p := a.polling()
	b.knows(p)
	p.on(b).post("40")
	p.on(b).wants(`40{"sid":…`)
	s, err := b.dial(strings.Replace(p.query, "polling", "websocket", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	s.says("2probe")
	s.wants("3probe")
	s.says("5")
	if n := tunnels(); n != 1 {
		t.Errorf("%d tunnels", n)
	}
	way.loses.Store(true)
	s.says(`420["subscribe","news"]`)
	b.until("the tunnel has ended", func() bool { return tunnels() == 0 })
	close(way.found)
	way.loses.Store(false)
}

// Requests of a client that polls find its session wherever they arrive: packets and answers of any
// length, errors, and the end.
func TestPollsOnSeveralNodes(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	a, b := newNode(t, nats, socketio.Options{}), newNode(t, nats, socketio.Options{})
	p := a.polling()
	b.knows(p)
	p.on(b).post("40")
	p.on(b).wants(`40{"sid":…`)
	p.on(b).post(`420["subscribe","news"]`)
	p.on(a).wants(`430[{"channel":"news"…`)

	waiting := make(chan string, 1)
	go func() {
		_, body := b.ask("GET", p.query, "")
		waiting <- body
	}()
	b.publish("news", "first")
	matches(t, <-waiting, `42["message","news","first",…`)

	large := strings.Repeat("x", 60<<10)
	for i := range 12 {
		p.on([]*world{a, b}[i%2]).post(fmt.Sprintf(`42%d["publish","news","%s"]`, i+1, large))
	}
	both := p.on(b)
	acks, events := 0, 0
	for acks < 12 || events < 12 {
		switch one := both.wants("4…"); {
		case strings.HasPrefix(one, "43"):
			acks++
		default:
			matches(t, one, `42["message","news","`+large+`",…`)
			events++
		}
	}

	p.on(b).post(`4299["unsubscribe","news"]`)
	p.on(b).wants(`4399[{"channel":"news"}]`)

	if status, body := b.ask("POST", p.query, "nonsense"); status != 400 || !strings.Contains(body, `"code":3`) {
		t.Errorf("nonsense: %d %s", status, body)
	}
	p.on(b).gone()
	p.on(a).gone()
	for _, sid := range []string{"x", strings.Repeat("x", 42), p.query[strings.LastIndex(p.query, "=")+1:]} {
		if status, body := b.ask("GET", "EIO=4&transport=polling&sid="+sid, ""); status != 400 || !strings.Contains(body, `"code":1`) {
			t.Errorf("sid %s: %d %s", sid, status, body)
		}
	}
}

// A body that is too large ends the session on its node, and the client is told the reason there too.
func TestLargePostOnAnotherNode(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	o := socketio.Options{MaxPayload: 100}
	a, b := newNode(t, nats, o), newNode(t, nats, o)
	p := a.polling()
	b.knows(p)
	if status, _ := b.ask("POST", p.query, "4"+strings.Repeat("x", 100)); status != 413 {
		t.Errorf("too large: %d", status)
	}
	if status, body := b.ask("GET", p.query, ""); status != 413 {
		t.Errorf("the poll after it: %d %s", status, body)
	}
}

// A client that gives up a poll ends its session, wherever the poll was. A session of a node that has
// ended is unknown.
func TestEndOfPollsOnSeveralNodes(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	a, b := newNode(t, nats, socketio.Options{}), newNode(t, nats, socketio.Options{})
	p, q := a.polling(), a.polling()
	b.knows(p)
	a.until("the session has ended", func() bool { // some polls may be given up before they are carried
		nc := b.connect()
		fmt.Fprintf(nc, "GET /socket.io/?%s HTTP/1.1\r\nHost: %s\r\n\r\n", p.query, b.host)
		time.Sleep(20 * time.Millisecond)
		nc.Close()
		return a.server.Connections() == 1
	})

	waiting := make(chan int, 1)
	go func() {
		status, _ := b.ask("GET", q.query, "")
		waiting <- status
	}()
	a.server.Shutdown(t.Context())
	if status := <-waiting; status != 200 && status != 400 { // a close packet, or the end
		t.Errorf("the poll of a node that ends: %d", status)
	}
	b.until("the session is unknown", func() bool {
		status, body := b.ask("GET", q.query, "")
		return status == 400 && strings.Contains(body, `"code":1`)
	})
}

// A client that loses its node comes back on another one as on its own: with its id, its channels, and
// what it missed, in order and once, from one history and from several.
func TestRecoveryOnAnotherNode(t *testing.T) {
	t.Parallel()
	for name, channels := range map[string][]string{"one history": {"x", "y"}, "two histories": {"a:x", "b:y"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nats := natstest.URL(t)
			nodes := []*world{newNode(t, nats, socketio.Options{}), newNode(t, nats, socketio.Options{})}
			s := nodes[0].socket(nil)
			who := s.connects("")
			for i, channel := range channels {
				s.says(fmt.Sprintf(`42%d["subscribe","%s"]`, i, channel))
				s.wants(fmt.Sprintf("43%d…", i))
			}
			number, last := 0, ""
			publish := func(w *world) (text string) {
				number++
				w.publish(channels[number%2], fmt.Sprint(number))
				return fmt.Sprintf(`42["message","%s","%d",…`, channels[number%2], number)
			}
			for round := range 4 {
				for range 3 {
					last = offsetOf(t, s.wants(publish(nodes[round%2])))
				}
				s.Terminate()
				missed := []string{publish(nodes[0]), publish(nodes[1]), publish(nodes[0])}
				s = nodes[(round+1)%2].socket(nil)
				again := s.connects(who.auth(last))
				if again != who {
					t.Fatalf("came back as %+v, was %+v", again, who)
				}
				for _, want := range missed {
					last = offsetOf(t, s.wants(want))
				}
			}
			for _, w := range nodes { // also while the connection before lives
				s = w.socket(nil)
				if again := s.connects(who.auth(last)); again != who {
					t.Errorf("came back as %+v, was %+v", again, who)
				}
				last = offsetOf(t, s.wants(publish(w)))
			}
		})
	}
}
