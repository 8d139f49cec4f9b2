package interop_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// startNATS starts a server of NATS with JetStream, as a process of its own.
func startNATS(t *testing.T) (url string) {
	t.Helper()
	dir := t.TempDir()
	if err := program.Build("../..", dir, "github.com/nats-io/nats-server/v2"); err != nil {
		t.Fatal(err)
	}
	addr := program.FreeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	program.AwaitPort(t, program.Start(t, filepath.Join(dir, "nats-server"), "-a", "127.0.0.1", "-p", port, "-js", "-sd", filepath.Join(dir, "store")), addr)
	return "nats://" + addr
}

// roundRobin is a balancer that sends each request to the next of the nodes, but those that are down.
func roundRobin(t *testing.T, nodes []*program.Server) (address string) {
	t.Helper()
	var next atomic.Int64
	var all []*url.URL
	for _, n := range nodes {
		u, err := url.Parse(n.URL)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		for range all {
			to := all[int(next.Add(1))%len(all)]
			if c, err := net.Dial("tcp", to.Host); err == nil {
				c.Close()
				r.SetURL(to)
				return
			}
		}
	}, ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }}
	s := httptest.NewServer(proxy)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL
}

// Clients that poll need no sticky sessions, and come back when a node is killed.
func TestSocketIOBehindRoundRobin(t *testing.T) {
	t.Parallel()
	nats := startNATS(t)
	var nodes []*program.Server
	for range 3 { // the client for Go sends only between two polls: see otherSocketIO
		nodes = append(nodes, program.Serve(t, maruPath, "--nats", nats, "--ping-interval", "1s"))
	}
	at := roundRobin(t, nodes)
	polling := socketIOWays["polling"]
	clients := map[string]socketIO{
		"npm":              startSocketIO(t, at, polling),
		"npm with upgrade": startSocketIO(t, at, socketIOWays["polling, then upgrade"]),
	}
	if program.OwnStep() { // it takes 20 s: E2E=1 go test . -run RoundRobin
		clients["Go"] = startGoSocketIO(t, at, polling)
	}
	for name, s := range clients {
		channel := "of:" + strings.ReplaceAll(name, " ", "")
		s.wants(`["connect",`)
		s.emits(fmt.Sprintf(`["subscribe",%q]`, channel))
		s.wants(fmt.Sprintf(`["ack subscribe",{"channel":%q,"position":"`, channel))
		for i := range 10 {
			publish(t, nodes[i%3].URL+"/channels/"+channel, "text/plain", fmt.Sprint("message ", i))
		}
		for i := range 10 {
			s.wants(fmt.Sprintf(`["message",%q,"message %d","`, channel, i))
		}
		s.emits(fmt.Sprintf(`["publish",%q,{"bytes":"AAH/"}]`, channel))
		s.wants(fmt.Sprintf(`["message",%q,{"bytes":"AAH/"},"`, channel))
	}
	time.Sleep(1500 * time.Millisecond) // what the clients have is on NATS
	nodes[0].Kill(t)
	for name, s := range clients {
		channel := "of:" + strings.ReplaceAll(name, " ", "")
		postSoon(t, nodes[1].URL+"/channels/"+channel, "after")
		s.wants(fmt.Sprintf(`["message",%q,"after","`, channel))
	}
}

// postSoon publishes when a namespace has an owner again.
func postSoon(t *testing.T, channel, text string) {
	t.Helper()
	for late := time.Now().Add(program.Patience); ; time.Sleep(100 * time.Millisecond) {
		resp, err := http.Post(channel, "text/plain", strings.NewReader(text))
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(late) {
			t.Fatalf("POST %s: %v, %v", channel, resp, err)
		}
	}
}
