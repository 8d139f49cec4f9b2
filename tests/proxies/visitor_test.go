package proxies_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// ways are the clients of socketio.mjs: by polling alone, by polling and the upgrade, and by
// WebSocket alone.
var ways = []string{"polling", "upgrade", "websocket"}

// visitor is a Node.js with the published socket.io-client, once for each way. It belongs to its
// test's goroutine.
type visitor struct{ *program.Process }

// visit connects the clients, and waits until they have subscribed, by the transport they want.
func (s *site) visit(t testing.TB, ways ...string) visitor {
	t.Helper()
	path := strings.TrimPrefix(s.URL, s.origin()) + "/socket.io/"
	v := visitor{program.Start(t, "node", append([]string{"socketio.mjs", s.URL, s.CA, path}, ways...)...)}
	for _, way := range ways {
		v.eventually(t, "clients."+way+".ready", true)
	}
	return v
}

// value is the JSON of an expression in the visitor.
func (v visitor) value(t testing.TB, script string) string {
	t.Helper()
	fmt.Fprintln(v, script)
	return v.Stdout.Next(t)
}

// eventually waits until an expression has a value.
func (v visitor) eventually(t testing.TB, script string, want any) {
	t.Helper()
	wanted, err := json.Marshal(want)
	must(t, err)
	var last string
	for late := time.Now().Add(program.Patience); time.Now().Before(late); <-time.After(100 * time.Millisecond) {
		if last = v.value(t, script); last == string(wanted) {
			return
		}
	}
	t.Fatalf("after %v, %s is\n%.400s\nwant\n%.400s\nand all is %.2000s", program.Patience, script, last, wanted,
		v.value(t, "({ ...clients })"))
}

// publish publishes by the client of one way, and wants its ack.
func (v visitor) publish(t testing.TB, way, data string) {
	t.Helper()
	v.eventually(t, fmt.Sprintf("clients.%s.publish(%s).then(({ error }) => error ?? null)", way, data), nil)
}
