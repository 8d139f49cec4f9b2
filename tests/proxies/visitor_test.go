package proxies_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// ways are the clients of a visitor: by polling alone, by polling and the upgrade, and by WebSocket
// alone.
var ways = []string{"polling", "upgrade", "websocket"}

// visitor is a user of a site with the published socket.io-client, once for each way.
type visitor int64

// visit connects the clients, and waits until they have subscribed.
func (s *site) visit(t testing.TB, ways ...string) visitor {
	t.Helper()
	v := visitor(node.last.Add(1))
	v.asks(t, question{URL: s.URL, CA: s.CA, Path: strings.TrimPrefix(s.URL, s.origin()) + "/socket.io/", Ways: ways})
	t.Cleanup(func() { v.asks(t, question{}) })
	for _, way := range ways {
		v.eventually(t, "clients."+way+".ready", true)
	}
	return v
}

// value is the value of an expression, in JSON.
func (v visitor) value(t testing.TB, script string) string {
	t.Helper()
	return string(v.asks(t, question{Ask: script}).Value)
}

// eventually waits until an expression has a value.
func (v visitor) eventually(t testing.TB, script string, want any) {
	t.Helper()
	if a := v.asks(t, question{Ask: script, Want: want}); a.Late {
		wanted, _ := json.Marshal(want)
		t.Fatalf("%s is late:\n%.400s\nwant\n%.400s\nof\n%.2000s", script, a.Value, wanted, a.Clients)
	}
}

// publish publishes by the client of one way, and wants its ack. The arguments are data and options,
// in JavaScript.
func (v visitor) publish(t testing.TB, way, arguments string) {
	t.Helper()
	if got := v.value(t, fmt.Sprintf("clients.%s.publish(%s).then(({ error }) => error ?? null)", way, arguments)); got != "null" {
		t.Fatalf("publish(%s) by %s: %s", arguments, way, got)
	}
}

// asks asks socketio.mjs.
func (v visitor) asks(t testing.TB, q question) answer {
	t.Helper()
	q.Visitor = v
	got := node.ask(t, q)
	select {
	case a := <-got:
		if a.Error != "" {
			t.Fatalf("%+v: %s", q, a.Error)
		}
		return a
	case <-time.After(2 * program.Patience):
		t.Fatalf("%+v: no answer", q)
		return answer{}
	}
}
