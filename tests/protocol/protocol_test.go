package protocol

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru/server"
	"maru.example/maru/tests/leaks"
	"maru.example/maru/ws"
)

var (
	address = flag.String("server", "", "test this server against the transcripts, ws://HOST:PORT/; default: a maru started by the test")
	setUp   = flag.String("setup", "", "what that server is set up for, separated by commas: rpc")
)

// patience bounds the wait for an expected message.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	leaks.Main(m)
}

func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	to, has := target(t)
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := Parse(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range cases {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.Name, func(t *testing.T) {
				t.Parallel()
				for _, want := range c.Wants {
					if !slices.Contains(has, want) {
						t.Skipf("the server is not set up for %s", want)
					}
				}
				s := &stage{t: t, url: to, clients: make(map[string]*client), names: names{"run": strings.ToLower(rand.Text()[:8])}}
				s.play(c.Steps)
			})
		}
	}
}

// target is the server, and the words that it is set up for.
func target(t *testing.T) (string, []string) {
	if *address != "" {
		return strings.TrimSuffix(*address, "/"), strings.Split(*setUp, ",")
	}
	s, err := server.New(server.Options{
		Open: true, MaxChannels: 3, MaxMessageBytes: 4 << 10, HistoryPublications: 5, HandshakeTimeout: 2 * time.Second,
		RPC: func(_ context.Context, _ server.Caller, method string, data json.RawMessage) (json.RawMessage, error) {
			if method != "echo" {
				return nil, server.ErrNoMethod
			}
			return data, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		<-served
		http.DefaultClient.CloseIdleConnections()
	})
	return "ws://" + l.Addr().String(), []string{"rpc", "maru"}
}

// stage is the state of one running case.
type stage struct {
	t       *testing.T
	url     string
	clients map[string]*client
	names   names
}

type client struct {
	conn   *ws.Conn
	events chan event
}

type event struct {
	text   string
	closed bool
	code   int
	reason string
}

func (s *stage) play(steps []Step) {
	defer func() {
		for _, c := range s.clients {
			c.conn.Terminate()
		}
	}()
	for i := 0; i < len(steps); i++ {
		step := steps[i]
		switch {
		case step.Client == "POST":
			s.post(step)
		case step.Do == "open":
			s.open(step)
		case step.Do == "<?":
			any := []Step{step}
			for i+1 < len(steps) && steps[i+1].Do == "<?" && steps[i+1].Client == step.Client {
				i++
				any = append(any, steps[i])
			}
			s.expectAny(any)
		default:
			s.step(step)
		}
	}
}

func (s *stage) step(step Step) {
	c := s.clients[step.Client]
	if c == nil {
		s.t.Fatalf("line %d: %s is not open", step.Line, step.Client)
	}
	arg := s.names.fill(step.Arg)
	switch step.Do {
	case ">":
		c.conn.Send(ws.Text(arg))
	case ">binary":
		c.conn.Send(ws.Binary([]byte(arg)))
	case "<":
		e := s.next(c, step)
		if err := s.names.match(step.Arg, e.text); e.closed || err != nil {
			s.t.Fatalf("line %d: got %+v, want %s: %v", step.Line, e, arg, err)
		}
	case "closed":
		e := s.next(c, step)
		if got := fmt.Sprint(e.code, " ", e.reason); !e.closed || got != arg {
			s.t.Fatalf("line %d: got %+v, want closed %s", step.Line, e, arg)
		}
	case "close":
		c.conn.Close(1000, "")
	case "cut":
		c.conn.Terminate()
	}
}

func (s *stage) next(c *client, step Step) event {
	select {
	case e := <-c.events:
		return e
	case <-time.After(patience):
		s.t.Fatalf("line %d: nothing came, want %s %s", step.Line, step.Do, s.names.fill(step.Arg))
	}
	panic("not reached")
}

// expectAny takes as many messages as there are steps, in any order.
func (s *stage) expectAny(steps []Step) {
	c := s.clients[steps[0].Client]
	for len(steps) > 0 {
		e := s.next(c, steps[0])
		i := slices.IndexFunc(steps, func(step Step) bool { return !e.closed && s.names.match(step.Arg, e.text) == nil })
		if i < 0 {
			s.t.Fatalf("line %d: got %+v, which is none of those", steps[0].Line, e)
		}
		steps = slices.Delete(slices.Clone(steps), i, i+1)
	}
}

func (s *stage) open(step Step) {
	c := &client{events: make(chan event, 1000)}
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn, err := ws.Dial(ctx, s.url+"/", ws.DialOptions{
		Subprotocols: []string{"maru.v1"},
		OnMessage:    func(_ *ws.Conn, m ws.Message) { c.events <- event{text: string(m.Data)} },
		OnClose:      func(_ *ws.Conn, code int, reason string) { c.events <- event{closed: true, code: code, reason: reason} },
		OnError:      func(*ws.Conn, error) {},
	})
	if err != nil {
		s.t.Fatalf("line %d: %v", step.Line, err)
	}
	if p := conn.Subprotocol(); p != "maru.v1" {
		s.t.Fatalf("line %d: the server chose %q", step.Line, p)
	}
	c.conn = conn
	s.clients[step.Client] = c
}

func (s *stage) post(step Step) {
	to := "http" + strings.TrimPrefix(s.url, "ws") + "/channels/" + url.PathEscape(s.names.fill(step.Do))
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", to, strings.NewReader(s.names.fill(step.Arg)))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	var at struct {
		Epoch  string
		Offset uint64
	}
	if err := json.NewDecoder(resp.Body).Decode(&at); err != nil || resp.StatusCode != 200 {
		s.t.Fatalf("line %d: %s %v", step.Line, resp.Status, err)
	}
	s.names["last"] = fmt.Sprintf("%s:%d", at.Epoch, at.Offset)
}

// Unmet expectations of a transcript must fail.
func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		ok        bool
	}{
		{`{"a":1}`, `{"a":1,"b":2}`, true},
		{`{"a":1}`, `{"a":2}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":"$absent"}`, `{"b":1}`, true},
		{`{"a":"$absent"}`, `{"a":1}`, false},
		{`{"a":"$number"}`, `{"a":"1"}`, false},
		{`{"a":"$time"}`, `{"a":"2026-01-02T03:04:05.6Z"}`, true},
		{`{"a":"$time"}`, `{"a":"yesterday"}`, false},
		{`{"a":"$=x","b":"$=x"}`, `{"a":7,"b":7}`, true},
		{`{"a":"$=y","b":"$=y"}`, `{"a":7,"b":8}`, false},
		{`[1]`, `[1,2]`, false},
		{`{"a":[{"b":"$any"}]}`, `{"a":[{"b":null}]}`, true},
	} {
		if err := (names{}).match(tt.want, tt.got); (err == nil) != tt.ok {
			t.Errorf("%s against %s: %v", tt.want, tt.got, err)
		}
	}
}
