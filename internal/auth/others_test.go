package auth_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// bus is a maru.Bus between fixtures, by name.
type bus struct {
	name     string
	all      map[string]*bus
	handlers map[string]maru.BusHandler
	silent   bool // it does not answer
}

func (b *bus) Node() string { return b.name }

func (b *bus) Nodes() (names []string, connected bool) {
	for name := range b.all {
		names = append(names, name)
	}
	return names, true
}

func (b *bus) Ask(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	type result struct {
		data []byte
		err  error
	}
	to, results := b.all[node], make(chan result, 1)
	if !to.silent {
		to.handlers[kind](b.name, data, func(data []byte, err error) { results <- result{data, err} })
	}
	select {
	case r := <-results:
		return r.data, r.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (b *bus) Send(string, string, []byte) error               { panic("not used") }
func (b *bus) Broadcast(string, []byte) error                  { panic("not used") }
func (b *bus) Handle(kind string, h maru.BusHandler)           { b.handlers[kind] = h }
func (b *bus) OnLeave(func(node string, silent time.Duration)) { panic("not used") }

// What a back end asks of one node is done on all, and the answer has the sum. A node that does not
// answer is counted, and does not hold up the answer for longer than 3 s.
func TestOrdersOfThreeNodes(t *testing.T) {
	t.Parallel()
	kim := auth.Identity{User: "kim"}
	for name, tt := range map[string]struct {
		path, body string
		silent     bool
		want       string
		code       maru.Code
	}{
		"disconnect":     {"/admin/disconnect", `{"user":"kim"}`, false, `{"connections":3}`, maru.CodeRevoked},
		"reconnect":      {"/admin/disconnect", `{"user":"kim","reconnect":true}`, false, `{"connections":3}`, maru.CodeReconnect},
		"unsubscribe":    {"/admin/unsubscribe", `{"user":"kim","channel":"a"}`, false, `{"subscriptions":3}`, maru.CodeRevoked},
		"revoke":         {"/admin/revoke", `{"user":"kim"}`, false, `{"connections":3}`, maru.CodeRevoked},
		"nobody there":   {"/admin/disconnect", `{"user":"lee"}`, false, `{"connections":0}`, ""},
		"one is silent":  {"/admin/disconnect", `{"user":"kim"}`, true, `{"connections":2,"unanswered":1}`, maru.CodeRevoked},
		"revoke, silent": {"/admin/revoke", `{"user":"kim"}`, true, `{"connections":2,"unanswered":1}`, maru.CodeRevoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				all := make(map[string]*bus)
				var nodes []*fixture
				var conns []*live
				for _, name := range []string{"a", "b", "c"} {
					x := newFixture(t)
					all[name] = &bus{name: name, all: all, handlers: make(map[string]maru.BusHandler)}
					x.Join(all[name])
					nodes, conns = append(nodes, x), append(conns, x.connect(kim))
				}
				all["c"].silent = tt.silent
				admin := nodes[0].admin()
				w := httptest.NewRecorder()
				r := request("POST", tt.path, tt.body, "Authorization: Bearer "+nodes[0].apiKey)
				begin := time.Now()
				switch tt.path {
				case "/admin/disconnect":
					admin.ServeDisconnect(w, r)
				case "/admin/unsubscribe":
					admin.ServeUnsubscribe(w, r)
				default:
					admin.ServeRevoke(w, r)
				}
				if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != tt.want {
					t.Errorf("%d %s, want %s", w.Code, got, tt.want)
				}
				if took := time.Since(begin); took > 3*time.Second || !tt.silent && took > 0 {
					t.Errorf("answered after %v", took)
				}
				for i, conn := range conns {
					want := tt.code
					if i == 2 && tt.silent {
						want = ""
					}
					if conn.ended() != want {
						t.Errorf("node %d: %q, want %q", i, conn.ended(), want)
					}
				}
				for _, x := range nodes[:2] {
					if err := x.Check(kim); (code(err) == maru.CodeRevoked) != (tt.path == "/admin/revoke") {
						t.Errorf("afterwards: %v", err)
					}
				}
			})
		})
	}
}

// What another node asks is checked; nothing makes it mean everybody.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"do":"revoke","target":{"user":"kim"},"until":"2026-11-27T12:00:00Z"}`))
	f.Add([]byte(`{"do":"disconnect","target":{"connection":"7","channel":"a"}}`))
	f.Add([]byte(`{"do":"disconnect","target":{}}`))
	f.Add([]byte(`{"do":"else","target":{"user":"kim"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if target, err := auth.ParseOrder(data); err == nil && target == (auth.Target{}) {
			t.Fatalf("%s means everybody", data)
		}
	})
}
