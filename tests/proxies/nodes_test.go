package proxies_test

import (
	"fmt"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/natstest"
	"maru.example/maru/tests/proxies/proxy"
)

// roundRobin are changes of the snippets after which each request goes to the next of three nodes.
var roundRobin = map[string]func(a, b, c string) []string{
	"haproxy": func(a, b, c string) []string {
		return []string{"  server maru 127.0.0.1:3000\n\nbackend maru_streams", fmt.Sprintf("  balance roundrobin\n  option redispatch 1\n"+
			"  server a %s check inter 200ms\n  server b %s check inter 200ms\n  server c %s check inter 200ms\n\nbackend maru_streams", a, b, c)}
	},
	"nginx": func(a, b, c string) []string {
		return []string{"map $http_accept $maru_away {", fmt.Sprintf("upstream nodes { server %s; server %s; server %s; }\nmap $http_accept $maru_away {", a, b, c),
			"proxy_pass http://127.0.0.1:3000;", "proxy_pass http://nodes; # 127.0.0.1:3000"}
	},
}

// Behind a balancer that sends each request to the next of three nodes, without sticky sessions, the
// published client polls, upgrades where it can, and comes back when a node is killed: each message
// arrives once, in order.
func TestNodesWithoutStickySessions(t *testing.T) {
	program.InOwnStep(t)
	for name, changes := range roundRobin {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nats := natstest.URL(t)
			var nodes []*program.Server
			for range 3 {
				nodes = append(nodes, serve(t, "--nats", nats))
			}
			p := proxy.StartChanged(t, name, nodes[0].Addr, changes(nodes[0].Addr, nodes[1].Addr, nodes[2].Addr)...)
			s := &site{Proxy: p, maru: nodes[0], http: p.Client(t, false), http1: p.Client(t, true)}
			v := s.visit(t, ways...)
			v.talk(t, ways...)
			time.Sleep(1500 * time.Millisecond) // what the clients have is on NATS

			nodes[0].Kill(t)
			b := breaks{site: s, visitor: v}
			b.value(t, "void (kept.counts = Object.fromEntries(Object.entries(clients).map(([way, c]) => [way, c.got.length])))")
			for i := range 5 { // some may be refused until another node owns the namespace
				b.eventually(t, fmt.Sprintf("clients.upgrade.publish(%q, { idempotency_key: %q }).then(({ error }) => !error).catch(() => false)", fmt.Sprint("after ", i), fmt.Sprint("key ", i)), true)
				b.want = append(b.want, fmt.Sprint("after ", i))
			}
			for _, way := range ways {
				b.eventually(t, fmt.Sprintf("clients.%s.got.slice(kept.counts.%[1]s)", way), b.want)
				b.eventually(t, "clients."+way+".recovered.slice(1).filter((it) => !it).length", 0)
				b.eventually(t, "clients."+way+".gaps", []string{})
			}
		})
	}
}
