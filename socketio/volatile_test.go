package socketio_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"maru.example/maru/socketio"
)

// poller is a client of long polling.
type poller struct {
	t   *testing.T
	url string
}

// polls opens a session in the namespace /, with no poll open.
func (w *world) polls() *poller {
	w.t.Helper()
	p := &poller{w.t, "http://" + w.host + "/socket.io/?EIO=4&transport=polling"}
	_, open, _ := strings.Cut(p.poll(), `"sid":"`)
	sid, _, _ := strings.Cut(open, `"`)
	p.url += "&sid=" + sid
	p.do(http.MethodPost, "40")
	p.poll()
	return p
}

func (p *poller) poll() string { return p.do(http.MethodGet, "") }

func (p *poller) do(method, body string) string {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		p.t.Fatal(response.Status, err)
	}
	return string(b)
}

// Volatile events are dropped for a client that does not take them now, and reach all others.
func TestVolatile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, socketio.Options{})
	reads, fast := w.member("x")
	polls := w.polls()
	slow := await(t, w.arrived)
	slow.Join("x")
	emits := map[string]func(event string) error{
		"a socket":     func(e string) error { return slow.Volatile().Emit(e) },
		"all":          func(e string) error { return w.io.Volatile().Emit(e) },
		"a room":       func(e string) error { return w.io.To("x").Volatile().Emit(e) },
		"of a socket":  func(e string) error { return fast.To("x").Volatile().Emit(e) },
		"without some": func(e string) error { return w.io.Except("y").Volatile().Emit(e) },
	}
	for name, emit := range emits {
		fast.Drain(t.Context())
		if err := emit("volatile"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "a socket" && name != "of a socket" {
			reads.wants(`42["volatile"]`)
		}
	}
	fast.Drain(t.Context())
	replies := make(chan []socketio.Reply, 1)
	go func() {
		got, err := w.io.Volatile().EmitWithAck(t.Context(), "ask")
		if err != nil {
			t.Error(err)
		}
		replies <- got
	}()
	reads.wants(`420["ask"]`)
	reads.says(`430["ok"]`)
	if got := await(t, replies); len(got) != 1 || got[0].ID != fast.ID() {
		t.Errorf("%+v", got)
	}
	w.io.Emit("end")
	if got := polls.poll(); got != `42["end"]` {
		t.Errorf("a client without an open poll got %s", got)
	}
	body := make(chan string)
	go func() { body <- polls.poll() }()
	for {
		select {
		case got := <-body:
			if !strings.HasPrefix(got, `42["now"]`) {
				t.Errorf("a client with an open poll got %s", got)
			}
			return
		default:
			if err := slow.Volatile().Emit("now"); err != nil {
				t.Fatal(err)
			}
			runtime.Gosched()
		}
	}
}
