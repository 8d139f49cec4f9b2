package cluster_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/tests/natstest"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// stateful are nodes with rules: people sign in with a nickname, and back ends have a key.
type stateful struct {
	t     *testing.T
	nats  string
	hash  string
	key   string // a header
	edit  func(*server.Options)
	nodes []*node
}

func newStateful(t *testing.T, nats string, n int, edit func(*server.Options)) *stateful {
	key, hash := auth.NewAPIKey()
	s := &stateful{t: t, nats: nats, hash: hash, key: "Authorization: Bearer " + key, edit: edit}
	for range n {
		s.start()
	}
	return s
}

func (s *stateful) start() *node {
	s.t.Helper()
	o := server.Options{Broker: cluster.Opener(cluster.Servers{URLs: []string{s.nats}}, cluster.Options{Beat: 200 * time.Millisecond})}
	o.Nicknames, o.APIKeys = true, []string{s.hash}
	o.Namespaces = map[string]server.Namespace{"room": {Subscribe: maru.SignedIn, Publish: maru.SignedIn, History: maru.SignedIn, Presence: maru.SignedIn}}
	if s.edit != nil {
		s.edit(&o)
	}
	one, err := server.New(o)
	if err != nil {
		s.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { one.Serve(l) })
	n := &node{one, "http://" + l.Addr().String(), l.Addr().String()}
	s.t.Cleanup(func() { n.stop(s.t); serving.Wait() })
	s.nodes = append(s.nodes, n)
	return n
}

// call sends a request and returns the answer.
func (n *node) call(t *testing.T, method, path, body string, headers ...string) (int, string, http.Header) {
	t.Helper()
	res := n.open(t, method, path, body, headers...)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	return res.StatusCode, strings.TrimSpace(string(b)), res.Header
}

func (n *node) open(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, n.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func (n *node) signIn(t *testing.T, nickname string) (status int, cookie string) {
	t.Helper()
	status, _, h := n.call(t, "POST", "/session", `{"nickname":"`+nickname+`"}`)
	cookie, _, _ = strings.Cut(h.Get("Set-Cookie"), ";")
	return status, "Cookie: " + cookie
}

func (s *stateful) ticket(n *node, user string) string {
	s.t.Helper()
	status, body, _ := n.call(s.t, "POST", "/tickets", `{"user":"`+user+`"}`, s.key)
	_, rest, _ := strings.Cut(body, `"ticket":"`)
	ticket, _, _ := strings.Cut(rest, `"`)
	if status != http.StatusCreated || ticket == "" {
		s.t.Fatal(status, body)
	}
	return ticket
}

// stream is an event stream; ended waits until it has ended, and returns all that came.
func (n *node) stream(t *testing.T, query string, headers ...string) (ended func() string) {
	t.Helper()
	res := n.open(t, "GET", "/channels/room:1"+query, "", append(headers, "Accept: text/event-stream")...)
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	var all bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer res.Body.Close()
		io.Copy(&all, res.Body)
	}()
	return func() string {
		t.Helper()
		select {
		case <-done:
			return all.String()
		case <-time.After(30 * time.Second):
			t.Fatal("the stream goes on")
			return ""
		}
	}
}

func wantRevoked(t *testing.T, streams ...func() string) {
	t.Helper()
	for i, ended := range streams {
		if got := ended(); !strings.Contains(got, "revoked") {
			t.Errorf("stream %d has ended with %q", i, got)
		}
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// Who signs in on one node is signed in on all, at once, until a sign-out on any, which ends the
// connections on all. A node that starts again knows them.
func TestSessionsOfNodes(t *testing.T) {
	t.Parallel()
	s := newStateful(t, natstest.URL(t), 3, nil)
	status, kim := s.nodes[0].signIn(t, "kim")
	_, lee := s.nodes[1].signIn(t, "lee")
	if status != http.StatusCreated {
		t.Fatal(status)
	}
	who := func(n *node, cookie string) (int, string) {
		status, body, _ := n.call(t, "GET", "/session", "", cookie)
		return status, body
	}
	for i, n := range s.nodes {
		if status, body := who(n, kim); status != 200 || body != `{"user":"kim"}` {
			t.Errorf("node %d: %d %s", i, status, body)
		}
		if status, _ := n.signIn(t, "kim"); status != http.StatusConflict {
			t.Errorf("node %d: the nickname is free: %d", i, status)
		}
	}
	streams := []func() string{s.nodes[0].stream(t, "", kim), s.nodes[1].stream(t, "", kim), s.nodes[2].stream(t, "", kim)}
	s.nodes[2].stop(t)
	again := s.start()
	if status, _ := who(again, kim); status != 200 {
		t.Errorf("a node that starts again: %d", status)
	}
	streams = append(streams[:2], again.stream(t, "", kim))
	if status, _, _ := again.call(t, "DELETE", "/session", "", kim); status != http.StatusNoContent {
		t.Errorf("sign-out: %d", status)
	}
	wantRevoked(t, streams...)
	for i, n := range []*node{s.nodes[0], s.nodes[1], again} {
		if status, _ := who(n, kim); status != http.StatusNotFound {
			t.Errorf("node %d, after the sign-out: %d", i, status)
		}
		if status, body := who(n, lee); status != 200 {
			t.Errorf("node %d, somebody else: %d %s", i, status, body)
		}
	}
	if status, _ := s.nodes[1].signIn(t, "kim"); status != http.StatusCreated {
		t.Errorf("the nickname is not free again: %d", status)
	}
}

// A ticket of any node is valid once in the cluster.
func TestTicketsOfNodes(t *testing.T) {
	t.Parallel()
	s := newStateful(t, natstest.URL(t), 3, nil)
	for round := range 10 {
		ticket := s.ticket(s.nodes[round%3], "lee")
		var valid, invalid atomic.Int32
		var all sync.WaitGroup
		for i := range 9 {
			all.Go(func() {
				switch status, body, _ := s.nodes[i%3].call(t, "GET", "/session?ticket="+ticket, ""); status {
				case 200:
					valid.Add(1)
				case 401:
					invalid.Add(1)
				default:
					t.Error(status, body)
				}
			})
		}
		all.Wait()
		if valid.Load() != 1 || invalid.Load() != 8 {
			t.Errorf("round %d: accepted %d times, refused %d times", round, valid.Load(), invalid.Load())
		}
	}
}

// What a back end asks of one node is done on all: the answer has the sum, and a revocation holds on all,
// also on one that starts later.
func TestOrdersOfNodes(t *testing.T) {
	t.Parallel()
	s := newStateful(t, natstest.URL(t), 3, nil)
	streamsOf := func(user string) (all []func() string) {
		for i, n := range s.nodes {
			all = append(all, n.stream(t, "?ticket="+s.ticket(s.nodes[(i+1)%3], user)))
		}
		return all
	}
	order := func(n *node, what, body, want string) {
		t.Helper()
		if status, got, _ := n.call(t, "POST", "/admin/"+what, body, s.key); status != 200 || got != want {
			t.Errorf("%s %s: %d %s, want %s", what, body, status, got, want)
		}
	}
	known := func() bool { // an order goes to the nodes that are known
		status, got, _ := s.nodes[0].call(t, "POST", "/admin/disconnect", `{"user":"probe"}`, s.key)
		return status == 200 && got == `{"connections":1}`
	}
	for _, n := range s.nodes[1:] {
		stop := n.stream(t, "?ticket="+s.ticket(n, "probe"))
		eventually(t, "all nodes know each other", known)
		stop()
	}
	kim, park := streamsOf("kim"), streamsOf("park")
	order(s.nodes[0], "disconnect", `{"user":"kim"}`, `{"connections":3}`)
	wantRevoked(t, kim...)
	kim = streamsOf("kim")
	order(s.nodes[1], "unsubscribe", `{"user":"kim","channel":"room:1"}`, `{"subscriptions":3}`)
	wantRevoked(t, kim...)
	kim = streamsOf("kim")
	order(s.nodes[2], "revoke", `{"user":"kim"}`, `{"connections":3}`)
	wantRevoked(t, kim...)
	order(s.nodes[0], "disconnect", `{"user":"kim"}`, `{"connections":0}`)
	late := s.start()
	for i, n := range s.nodes {
		if status, body, _ := n.call(t, "POST", "/tickets", `{"user":"kim"}`, s.key); status != 401 || !strings.Contains(body, "revoked") {
			t.Errorf("node %d: %d %s", i, status, body)
		}
	}
	order(late, "revoke", `{"user":"kim","for":"0s"}`, `{"connections":0}`)
	for i, n := range s.nodes {
		eventually(t, "the revocation is taken back", func() bool {
			status, _, _ := n.call(t, "POST", "/tickets", `{"user":"kim"}`, s.key)
			return status == 201
		})
		if i == 0 {
			order(n, "disconnect", `{"user":"park"}`, `{"connections":3}`)
		}
	}
	wantRevoked(t, park...)
}

// The limit of connections for an address is that of all nodes.
func TestAddressLimitOfNodes(t *testing.T) {
	t.Parallel()
	s := newStateful(t, natstest.URL(t), 2, func(o *server.Options) { o.MaxConnectionsPerAddress = 2 })
	for _, n := range s.nodes {
		n.stream(t, "", s.key)
	}
	for i, n := range s.nodes {
		eventually(t, "each node knows of the other's", func() bool {
			status, body, _ := n.call(t, "GET", "/channels/room:1?wait=1ms", "", s.key)
			if status != 200 && !strings.Contains(body, "too_many_connections") {
				t.Errorf("node %d: %d %s", i, status, body)
			}
			return status == 503
		})
	}
}

// While NATS is away, people with a session that the node knows stay signed in, and everything else gets a
// temporary error. When NATS is back all goes on.
func TestStateWithNATSAway(t *testing.T) {
	t.Parallel()
	o := &natsserver.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxStore: 1 << 40}
	run := func() *natsserver.Server {
		n, err := natsserver.NewServer(o.Clone())
		if err != nil {
			t.Fatal(err)
		}
		n.Start()
		if !n.ReadyForConnections(20 * time.Second) {
			t.Fatal("NATS does not start")
		}
		return n
	}
	nats := run()
	o.Port = nats.Addr().(*net.TCPAddr).Port
	t.Cleanup(func() { nats.Shutdown(); nats.WaitForShutdown() })
	s := newStateful(t, nats.ClientURL(), 2, nil)
	_, kim := s.nodes[0].signIn(t, "kim")
	if status, body, _ := s.nodes[1].call(t, "GET", "/session", "", kim); status != 200 {
		t.Fatal(status, body)
	}
	if status, body, _ := s.nodes[1].call(t, "POST", "/channels/room:1", "before", kim); status != 200 {
		t.Fatal(status, body)
	}
	ticket := s.ticket(s.nodes[0], "lee")
	nats.Shutdown()
	nats.WaitForShutdown()
	unknown := "Cookie: maru_session=" + strings.Repeat("a", 43)
	for name, c := range map[string][]string{
		"a cookie that is not known": {"GET", "/session", "", unknown},
		"sign-in":                    {"POST", "/session", `{"nickname":"park"}`},
		"sign-out":                   {"DELETE", "/session", "", kim},
		"a ticket":                   {"GET", "/session?ticket=" + ticket, ""},
		"a new ticket":               {"POST", "/tickets", `{"user":"lee"}`, s.key},
		"publishing":                 {"POST", "/channels/room:1", "x", kim},
	} {
		begin := time.Now()
		status, body, h := s.nodes[1].call(t, c[0], c[1], c[2], c[3:]...)
		if status != 503 || !strings.Contains(body, `"unavailable"`) || h.Get("Retry-After") == "" || time.Since(begin) > 10*time.Second {
			t.Errorf("%s: %d %s after %v", name, status, body, time.Since(begin))
		}
	}
	if status, body, _ := s.nodes[1].call(t, "GET", "/session", "", kim); status != 200 {
		t.Errorf("a cookie that is known: %d %s", status, body)
	}
	nats = run()
	eventually(t, "publishing goes on", func() bool {
		status, body, _ := s.nodes[1].call(t, "POST", "/channels/room:1", "after", kim)
		if status != 200 && status != 503 {
			t.Fatal(status, body)
		}
		return status == 200
	})
	if status, body, _ := s.nodes[1].call(t, "GET", "/session", "", unknown); status != http.StatusNotFound {
		t.Errorf("a cookie of nobody: %d %s", status, body)
	}
	if status, _ := s.nodes[1].signIn(t, "park"); status != http.StatusCreated {
		t.Errorf("sign-in: %d", status)
	}
	if status, _, _ := s.nodes[1].call(t, "DELETE", "/session", "", kim); status != http.StatusNoContent {
		t.Errorf("sign-out: %d", status)
	}
	eventually(t, "the sign-out holds on the other node", func() bool {
		status, _, _ := s.nodes[0].call(t, "GET", "/session", "", kim)
		return status == http.StatusNotFound
	})
}
