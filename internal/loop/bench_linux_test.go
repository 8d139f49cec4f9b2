package loop_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"syscall"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
	"maru.example/maru/tests/swarm"
)

// silent is a handler of a connection that only receives.
type silent struct{}

func (silent) Message(frame.Opcode, []byte) {}
func (silent) Closed(int, string, error)    {}

// gathering is an engine behind net/http, whose connections all join one group.
func gathering(b *testing.B, o loop.Options) (e *loop.Engine, g *loop.Group, url string) {
	b.Helper()
	e = loop.New(o)
	g = e.NewGroup()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	h := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up, err := handshake.Accept(w, r, handshake.Options{NoDeflate: true})
		if err != nil {
			return
		}
		c, err := e.Open(up.Conn, up.Buffered, loop.Params{Preface: up.Answer, Held: true}, func(loop.Conn) loop.Handler { return silent{} })
		if err == nil {
			g.Add(c)
			c.Start()
		}
	})}
	go h.Serve(l)
	b.Cleanup(func() {
		h.Close()
		over, cancel := context.WithCancel(context.Background())
		cancel()
		e.Shutdown(over, 1001, "")
	})
	return e, g, "ws://" + l.Addr().String() + "/"
}

// BenchmarkFanout appends to a group of so many, one message at a time or 16 in flight,
// with io_uring and without. The clients are another process; the CPU is this process's
// alone.
func BenchmarkFanout(b *testing.B) {
	for _, members := range []int{1000, 5000} {
		for _, variant := range []struct {
			window int
			noRing bool
		}{{1, false}, {1, true}, {16, false}, {16, true}} {
			window := variant.window
			b.Run(fmt.Sprintf("members=%d/window=%d/ring=%t", members, window, !variant.noRing), func(b *testing.B) {
				e, g, url := gathering(b, loop.Options{NoRing: variant.noRing})
				clients := swarm.Start(b, url, members)
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				stats, used, sent := e.Stats(), swarm.Used(b), 0
				for b.Loop() {
					for range window {
						g.Append(loop.NewMessage(frame.Text, swarm.Number(sent, 96)))
						sent++
					}
					clients.Await(window)
				}
				now := swarm.Used(b)
				runtime.ReadMemStats(&after)
				deliveries := float64(sent * members)
				user, system := now.User-used.User, now.System-used.System
				b.ReportMetric(float64(user.Nanoseconds())/deliveries, "user-ns/delivery")
				b.ReportMetric(float64((user+system).Nanoseconds())/deliveries, "cpu-ns/delivery")
				b.ReportMetric(float64(e.Stats().Writes-stats.Writes)/deliveries, "writes/delivery")
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/deliveries, "allocs/delivery")
			})
		}
	}
}

// BenchmarkIdleMemory opens as many connections as the limit on files allows, at most
// 19,000. It reports how much each adds to the process's resident memory.
func BenchmarkIdleMemory(b *testing.B) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	connections := min(19000, int(limit.Cur)-500)
	_, _, url := gathering(b, loop.Options{})
	swarm.Start(b, url, 100) // memory that does not grow with the connections
	for b.Loop() {
		before := swarm.Resident(b)
		swarm.Start(b, url, connections)
		b.ReportMetric(float64(swarm.Resident(b)-before)/float64(connections), "bytes/connection")
		b.ReportMetric(float64(connections), "connections")
	}
}
