package socketio_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/server"
)

// An id is random: 120 bits, which are the only proof that a request belongs to a session.
func TestSessionIDs(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	for range 1000 {
		id := socketio.NewID()
		if len(id) != 20 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// Engine.IO, Sending and receiving data: a second POST beside one that is coming ends the session.
func TestTwoPosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	p := w.polling()
	nc := w.connect()
	io.WriteString(nc, "POST /socket.io/?"+p.query+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
	if b := make([]byte, 12); read(t, nc, b) != "HTTP/1.1 100" { // it is being read
		t.Fatalf("%s", b)
	}
	if status, body := p.ask("POST", p.query, "40"); status != 400 {
		t.Errorf("a second one: %d %s", status, body)
	}
	w.until("the session has ended", func() bool { return w.server.Connections() == 0 })
}

func read(t *testing.T, r io.Reader, b []byte) string {
	t.Helper()
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Bodies that are made to take much time or memory are refused, or handled, and the server answers
// others as before.
func TestHostileBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	const size = 1 << 20
	fill := func(begin, unit string) string {
		return begin + strings.Repeat(unit, (size-len(begin))/len(unit))
	}
	for name, c := range map[string]struct {
		body   string
		status int
		ends   bool
	}{
		"separators":             {fill("", "\x1e"), 400, true},
		"empty messages":         {fill("4", "\x1e4"), 400, true},
		"pongs":                  {fill("40", "\x1e3"), 200, false},
		"empty attachments":      {fill("b", "\x1eb"), 400, true},
		"placeholders":           {fill(`40`+"\x1e"+`4599999999-["publish","hall"`, `,{"_placeholder":true,"num":0}`) + "]", 400, true},
		"attachments":            {`40` + "\x1e" + `45129-["publish","hall",{"_placeholder":true,"num":0}]`, 400, true},
		"deep":                   {fill(`40`+"\x1e"+`420["publish","hall",`, "["), 400, true},
		"deep objects":           {fill(`40`+"\x1e"+`420["publish","hall",`, `{"a":`), 400, true},
		"a number":               {fill(`40`+"\x1e"+`42`, "9"), 400, true},
		"commands without acks":  {fill(`40`, "\x1e42[\"x\"]"), 200, true}, // too many errors wait
		"connects":               {fill(`40`, "\x1e40"), 200, true},
		"disconnects":            {fill(`40`, "\x1e41"), 200, true},
		"foreign namespaces":     {fill(`40`, "\x1e40/a,"), 200, true},                                                // too many refusals wait
		"unfinished attachments": {`40` + "\x1e" + `451-["publish","hall",{"_placeholder":true,"num":0}]`, 200, true}, // by the text that follows
	} {
		t.Run(name, func(t *testing.T) {
			p := w.polling()
			start := time.Now()
			if status, answer := p.ask("POST", p.query, c.body); status != c.status {
				t.Errorf("%d %s, want %d", status, answer, c.status)
			}
			if d := time.Since(start); d > patience/2 {
				t.Errorf("it took %v", d)
			}
			ended := false
			for range 3 { // what waits, the end, and that it is gone
				if ended = ended || p.ends(); ended {
					break
				}
			}
			if ended != c.ends {
				t.Errorf("the session has ended: %v, want %v", ended, c.ends)
			}
		})
	}
}

// ends asks for what waits, without waiting, and reports whether the session has ended.
func (p *polls) ends() bool {
	p.t.Helper()
	p.ask("POST", p.query, `422["presence","x"]`) // whose answer ends the poll
	status, _ := p.ask("GET", p.query, "")
	return status != 200
}

// A client that never polls is gone after the time for a pong, and one that posts all the time but never
// polls is too slow: what waits for it is bounded in number and age.
func TestNeverPolls(t *testing.T) {
	t.Parallel()
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, fastServer, fast)
		p := w.polling()
		w.until("the session has ended", func() bool { return w.server.Connections() == 0 })
		p.gone()
	})
	for name, c := range map[string]struct {
		options server.Options
		says    string
	}{
		"too many": {server.Options{BacklogMessages: 5}, `420["nonsense"]`},
		"too old":  {server.Options{BacklogAge: 100 * time.Millisecond, PingInterval: 100 * time.Millisecond}, "3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.options, socketio.Options{PingInterval: 100 * time.Millisecond, PingTimeout: time.Hour})
			p := w.polling()
			p.post("40")
			w.until("the session has ended", func() bool {
				p.ask("POST", p.query, c.says)
				return w.server.Connections() == 0
			})
		})
	}
}

// The id of a session is its proof, as for npm's server: whoever has it acts as the session, from
// another address too, and never as somebody else. Pages of other origins cannot use it.
func TestRequestsOfOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{}, socketio.Options{})
	send := func(method, path, body string, header http.Header) *http.Response {
		r, err := http.NewRequest(method, "http://"+w.host+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		resp, err := w.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	cookie := send("POST", "/session", `{"nickname":"kim"}`, http.Header{"Content-Type": {"application/json"}}).Cookies()[0]
	p := w.polling() // nobody's
	as := http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}
	resp := send("POST", "/socket.io/?"+p.query, "40\x1e"+`420["publish","hall","x"]`, as)
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	p.wants(`40{"sid":…`, `430[{"channel":"hall",…`)
	h, err := w.history("hall")
	if err != nil || !strings.Contains(h, `"x"`) || strings.Contains(h, "kim") {
		t.Errorf("the publication: %s, %v", h, err)
	}
	foreign := http.Header{"Origin": {"https://evil.example"}}
	for _, method := range []string{"GET", "POST"} {
		if resp := send(method, "/socket.io/?"+p.query, "3", foreign); resp.StatusCode != 403 {
			t.Errorf("%s of another origin: %d", method, resp.StatusCode)
		}
	}
	if _, err := w.dial(strings.Replace(p.query, "polling", "websocket", 1), foreign); err == nil || !strings.Contains(fmt.Sprint(err), "403") {
		t.Errorf("an upgrade of another origin: %v", err)
	}
	if status, _ := p.ask("POST", p.query, "3"); status != 200 {
		t.Errorf("the session itself: %d", status)
	}
}

func (w *world) history(channel string) (string, error) {
	w.t.Helper()
	resp, err := w.http.Get("http://" + w.host + "/channels/" + channel)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
