// Package load_test loads the whole server with a swarm of clients in another process: a test
// that nothing is lost, and the benchmarks behind the figures in docs/benchmarks.md.
package load_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/server"
	"maru.example/maru/tests/swarm"
)

func TestMain(m *testing.M) {
	swarm.Main()
	os.Exit(m.Run())
}

// messageBytes is the size of a publication.
const messageBytes = 96

// start runs a server as maru serve would, with history on.
func start(tb testing.TB) (*server.Server, string) {
	tb.Helper()
	return serve(tb, server.Options{Open: true})
}

// certified is a TLS configuration with httptest's certificate for 127.0.0.1.
func certified() *tls.Config {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	return &tls.Config{Certificates: s.TLS.Certificates}
}

func serve(tb testing.TB, o server.Options) (*server.Server, string) {
	tb.Helper()
	o.Loopback, o.Logger = true, slog.New(slog.DiscardHandler)
	s, err := server.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			tb.Error(err)
		}
		if err := <-ended; err != http.ErrServerClosed {
			tb.Error(err)
		}
	})
	return s, "ws://" + l.Addr().String() + "/channels/load"
}

func publish(tb testing.TB, s *server.Server, n int) {
	if _, err := s.Publish(context.Background(), "load", &maru.Publication{Data: swarm.Number(n, messageBytes)}); err != nil {
		tb.Fatal(err)
	}
}

// All clients receive everything in order: the swarm checks each number.
func TestSwarm(t *testing.T) {
	t.Parallel()
	s, url := start(t)
	clients := []*swarm.Swarm{swarm.Start(t, url, 200), swarm.Start(t, events(url), 200)}
	for n := range 50 {
		publish(t, s, n)
	}
	for _, c := range clients {
		c.Await(50)
	}
}

// events is the address for event streams.
func events(url string) string { return "http" + strings.TrimPrefix(url, "ws") }

// BenchmarkFanout publishes to a channel with that many subscribers, one message at a time or
// 16 in flight. The CPU time is this process's own: the server's and the publisher's.
func BenchmarkFanout(b *testing.B) { fanout(b, func(url string) string { return url }) }

// BenchmarkEventsFanout is the same with event streams.
func BenchmarkEventsFanout(b *testing.B) { fanout(b, events) }

func fanout(b *testing.B, address func(url string) string) {
	for _, n := range []int{1000, 10000} {
		for _, window := range []int{1, 16} {
			for name, o := range map[string]server.Options{"open": {Open: true}, "rules": ruled()} {
				b.Run(fmt.Sprintf("subscribers=%d/window=%d/%s", n, window, name), func(b *testing.B) { fanoutTo(b, o, address, n, window) })
			}
		}
	}
}

// ruled has rules that allow everything, and every client has a name.
func ruled() server.Options {
	o := server.Options{}
	all := server.Namespace{Subscribe: maru.SignedIn, Publish: maru.SignedIn, History: maru.SignedIn, Presence: maru.SignedIn}
	o.Namespaces = map[string]server.Namespace{"default": all}
	o.Identify = func(r *http.Request, _ string) (server.Caller, error) { return server.Caller{User: r.UserAgent()}, nil }
	return o
}

func fanoutTo(b *testing.B, o server.Options, address func(url string) string, n, window int) {
	s, url := serve(b, o)
	clients := swarm.Start(b, address(url), n)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	used, sent := swarm.Used(b), 0
	for b.Loop() {
		for range window {
			publish(b, s, sent)
			sent++
		}
		clients.Await(window)
	}
	after := swarm.Used(b)
	deliveries := float64(sent * n)
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	b.ReportMetric(float64((after.User-used.User).Nanoseconds())/deliveries, "user-ns/delivery")
	b.ReportMetric(float64((after.User+after.System-used.User-used.System).Nanoseconds())/deliveries, "cpu-ns/delivery")
	b.ReportMetric(float64(mem.Mallocs-before.Mallocs)/deliveries, "allocs/delivery")
	b.ReportMetric(deliveries/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkIdle opens connections to a channel and reports the cost of each: CPU to accept,
// upgrade and subscribe it, and resident memory while it is idle.
func BenchmarkIdle(b *testing.B) {
	for name, c := range map[string]struct {
		scheme  string
		n       int
		options server.Options
		more    string // behind the address
	}{
		"websocket":        {"ws", 19000, server.Options{Open: true}, ""},
		"person":           {"ws", 19000, ruled(), ""},
		"session":          {"ws", 19000, server.Options{Open: true}, "#session"},
		"secure websocket": {"wss", 4000, server.Options{Open: true, TLSConfig: certified()}, ""},
		"events":           {"http", 19000, server.Options{Open: true}, ""},
		"secure events":    {"https", 4000, server.Options{Open: true, TLSConfig: certified()}, ""},
	} {
		b.Run(name, func(b *testing.B) {
			_, url := serve(b, c.options)
			url = c.scheme + strings.TrimPrefix(url, "ws") + c.more
			swarm.Start(b, url, 100) // costs that do not depend on the number of clients
			for b.Loop() {
				before, used := swarm.Resident(b), swarm.Used(b)
				swarm.Start(b, url, c.n)
				opened := swarm.Used(b)
				after := swarm.Resident(b)
				b.ReportMetric(float64(after-before)/float64(c.n), "bytes/connection")
				b.ReportMetric(float64((opened.User+opened.System-used.User-used.System).Microseconds())/float64(c.n), "cpu-us/connection")
				b.ReportMetric(float64(runtime.NumGoroutine()), "goroutines")
			}
		})
	}
}
