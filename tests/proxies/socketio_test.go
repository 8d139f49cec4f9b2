package proxies_test

import (
	"fmt"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// The published client comes through a proxy in each way.
func testSocketIO(t *testing.T, s *site) {
	v := s.visit(t, ways...)
	v.eventually(t, "clients.upgrade.transports", []string{"polling", "websocket"})
	v.talk(t, ways...)
}

// testIdleSocketIO is that clients without messages stay connected over two pings.
func testIdleSocketIO(t *testing.T, s *site) {
	v := s.visit(t, ways...)
	for pings := range 2 {
		for _, way := range ways {
			v.eventually(t, fmt.Sprintf("clients.%s.pings > %d", way, pings), true)
			v.eventually(t, "clients."+way+".reasons", []string{})
		}
	}
}

// talk is text, JSON and bytes by each client, with acks, and 200 messages in order.
func (v visitor) talk(t *testing.T, ways ...string) {
	t.Helper()
	const messages = 200
	var want []string
	for _, way := range ways {
		v.publish(t, way, `"text"`)
		v.publish(t, way, `{"é":[null]}`)
		v.publish(t, way, `Buffer.from([0, 255])`)
		want = append(want, "text", `{"é":[null]}`, "bytes 0,255")
	}
	v.value(t, fmt.Sprintf("Promise.all(Array.from({ length: %d }, (_, i) => clients.upgrade.publish(i)))", messages))
	for i := range messages {
		want = append(want, fmt.Sprint(i))
	}
	for _, way := range ways {
		v.eventually(t, "clients."+way+".got", want)
		v.eventually(t, "clients."+way+".reasons", []string{})
	}
}

// Whatever breaks, a client comes back by itself, is recovered, and has each message once, in order: a
// proxy that ends and starts again, a maru that is killed, and one that ends in good order. Answers of a proxy
// that stands alone, such as 502 and 503, are not the end.
func TestIssue16RestartsBehindProxies(t *testing.T) {
	program.InOwnStep(t)
	for _, name := range proxy.Debian {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"--data", t.TempDir(), "--drain", "1s"}, proxy.Options[name]...)
			s := before(t, serve(t, args...), name)
			restart := func() { s.maru = serve(t, append(args, "--listen", s.maru.Addr)...) }
			breaks := &breaks{site: s, visitor: s.visit(t, ways...)}
			breaks.one(t, "proxy", func() { s.Stop(t) }, func() {
				s.publishDirectly(t, "socketio", "missed 1", "missed 2")
				breaks.want = append(breaks.want, "missed 1", "missed 2")
				s.Restart(t)
			})
			breaks.one(t, "killed", func() {
				time.Sleep(1500 * time.Millisecond) // a session that goes on is on the disk within a second
				s.maru.Kill(t)
			}, restart)
			breaks.one(t, "terminated", func() { s.maru.Terminate(); s.maru.Wait(t) }, restart)
		})
	}
}

// breaks is what a visitor has seen so far.
type breaks struct {
	*site
	visitor
	want []string
}

// one breaks the connections and mends them. A message just before may be on its way, and one that
// clients publish while they are away waits for their return.
func (b *breaks) one(t *testing.T, what string, end, mend func()) {
	t.Helper()
	b.publish(t, "polling", fmt.Sprintf("%q", "before "+what))
	end()
	for _, way := range ways {
		b.eventually(t, "clients."+way+".ready", false)
	}
	held := fmt.Sprintf("%q", "held "+what)
	b.value(t, "void (kept.held = clients.upgrade.publish("+held+"))")
	b.want = append(b.want, "before "+what)
	mend()
	b.eventually(t, "kept.held.then(({ error }) => error ?? null)", nil)
	b.want = append(b.want, "held "+what)
	for _, way := range ways {
		b.eventually(t, "clients."+way+".got", b.want)
		b.eventually(t, "clients."+way+".recovered.slice(1).filter((it) => !it).length", 0)
		b.eventually(t, "clients."+way+".gaps", []string{})
	}
}
