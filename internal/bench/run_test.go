package bench_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/bench"
	"maru.example/maru/server"
	"maru.example/maru/ws"
)

// serve runs a server until the test ends and returns its ws:// address.
func serve(t *testing.T, run func(net.Listener) error, shutdown func(context.Context) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := shutdown(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return "ws://" + l.Addr().String()
}

func serveWS(t *testing.T, s *ws.Server) string {
	t.Helper()
	s.Inline = true
	return serve(t, s.Serve, s.Shutdown)
}

// maruServer is the product.
func maruServer(t *testing.T) string {
	t.Helper()
	s, err := server.New(server.Options{Open: true, Loopback: true})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, s.Serve, s.Shutdown) + "/channels/bench"
}

func echoServer(t *testing.T) string {
	return serveWS(t, &ws.Server{OnMessage: func(c *ws.Conn, m ws.Message) { c.Send(m) }})
}

// broadcaster hands every message to all, or to all others.
func broadcaster(t *testing.T, others bool) string {
	s := new(ws.Server)
	s.OnMessage = func(c *ws.Conn, m ws.Message) {
		if !others {
			c = nil
		}
		s.BroadcastExcept(m, c)
	}
	return serveWS(t, s)
}

// short is options for a run that takes a fifth of a second.
func short(mode bench.Mode, url string) bench.Options {
	o := good(mode)
	o.URL = url
	o.Warmup, o.Duration = 50*time.Millisecond, 150*time.Millisecond
	return o
}

// clean runs and wants no faults, and something done: on a machine that is busy
// with other things that takes longer.
func clean(t *testing.T, o bench.Options) *bench.Result {
	t.Helper()
	for {
		result, err := bench.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if result.Err() != nil || result.Partial {
			t.Fatalf("partial %v, %+v", result.Partial, result.Faults)
		}
		switch l := result.Latency; {
		case o.Mode == bench.Idle:
			return result
		case result.Done > 0 && l != nil && l.Count > 0:
			if l.Min > l.P50 || l.P50 > l.P99 || l.P99 > l.Max {
				t.Errorf("%+v", l)
			}
			return result
		case o.Duration > 10*time.Second:
			t.Fatalf("nothing was done: %+v", result)
		}
		o.Duration *= 4
	}
}

func TestEcho(t *testing.T) {
	t.Parallel()
	url := echoServer(t)
	for _, k := range []int{1, 16} {
		o := short(bench.Echo, url)
		o.InFlight = k
		result := clean(t, o)
		if result.Sent < result.Done {
			t.Errorf("%d in flight: %d sent, %d came", k, result.Sent, result.Done)
		}
	}
}

func TestEchoThroughChannels(t *testing.T) {
	t.Parallel()
	clean(t, short(bench.Echo, maruServer(t)+"-{i}"))
}

func TestFanout(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T) string{
		"channel":        maruServer,
		"broadcast":      func(t *testing.T) string { return broadcaster(t, false) },
		"all but sender": func(t *testing.T) string { return broadcaster(t, true) },
	} {
		for _, window := range []int{1, 3, 16} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				o := short(bench.Fanout, start(t))
				o.Window = window
				// The last one of each publication is one of all. At both ends of the measured time some of a window
				// are measured and their last ones are not, or the other way round.
				all := clean(t, o)
				l, ends := all.Last, float64(2*window*o.Connections)
				if l == nil || math.Abs(float64(l.Count)*float64(o.Connections)-float64(all.Latency.Count)) > ends || l.Mean < all.Latency.Mean {
					t.Errorf("%+v of %+v", l, all.Latency)
				}
			})
		}
	}
}

// Each group gets its own publications, and one of it publishes them.
func TestFanoutInGroups(t *testing.T) {
	t.Parallel()
	for _, window := range []int{1, 3, 16} {
		o := short(bench.Fanout, maruServer(t)+"-{g}")
		o.Window, o.Groups = window, 5
		clean(t, o)
	}
	o := short(bench.Fanout, maruServer(t)+"-{g}")
	o.Window, o.Rate, o.Groups = 0, 500, 5
	result := clean(t, o)
	due := result.Seconds * o.Rate * 2
	if got := float64(result.Latency.Count); got < due-4 || got > due+4 {
		t.Errorf("%v latencies of %v that were due", got, due)
	}
	o = short(bench.Fanout, broadcaster(t, false))
	o.Groups, o.Duration = 2, time.Minute // the fault ends it
	if result, err := bench.Run(t.Context(), o); err != nil || result.Faults.Damaged == 0 || !strings.Contains(result.Faults.First, "another group") {
		t.Errorf("%+v, %v", result, err)
	}
}

// With a rate, all messages that are due in the measured time are measured.
func TestFanoutByRate(t *testing.T) {
	t.Parallel()
	o := short(bench.Fanout, maruServer(t))
	o.Window, o.Rate = 0, 500
	result := clean(t, o)
	due := result.Seconds * o.Rate * float64(o.Connections)
	if got := float64(result.Latency.Count); got < due-2*float64(o.Connections) || got > due+2*float64(o.Connections) {
		t.Errorf("%v latencies of %v that were due", got, due)
	}
}

// A server that stands still for a time shows in the latency of all that was due
// in it, though nothing was sent meanwhile that a closed loop would have seen.
func TestRateCountsFromWhenItWasDue(t *testing.T) {
	t.Parallel()
	const standstill = 60 * time.Millisecond
	s := new(ws.Server)
	var seen atomic.Int64
	s.OnMessage = func(_ *ws.Conn, m ws.Message) {
		if seen.Add(1) == 25 {
			<-time.After(standstill)
		}
		s.Broadcast(m)
	}
	o := short(bench.Fanout, serveWS(t, s))
	o.Window, o.Rate, o.Warmup = 0, 500, 0
	result := clean(t, o)
	// At least half of what was due in the standstill waited for half of it.
	late := uint64(0)
	for _, b := range result.Latency.Buckets {
		if b.Le > float64(standstill.Microseconds())/2*1.1 {
			late += b.Count
		}
	}
	if due := o.Rate * standstill.Seconds() * float64(o.Connections); float64(late) < due/2*0.8 {
		t.Errorf("%d of %v were late", late, due)
	}
}

func TestFanoutByPost(t *testing.T) {
	t.Parallel()
	url := maruServer(t)
	for _, rate := range []float64{0, 200} {
		o := short(bench.Fanout, url)
		o.PublishURL = "http" + strings.TrimPrefix(url, "ws")
		if o.Rate = rate; rate > 0 {
			o.Window = 0
		} else {
			o.Window = 4
		}
		clean(t, o)
	}
}

func TestPostElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	o := short(bench.Fanout, broadcaster(t, false))
	o.PublishURL = "http://192.0.2.1/"
	if _, err := bench.Run(t.Context(), o); !errors.Is(err, bench.ErrUsage) || !strings.Contains(err.Error(), "--publish-url") {
		t.Error(err)
	}
}

func TestPostIsRefused(t *testing.T) {
	t.Parallel()
	door := httptest.NewServer(http.NotFoundHandler())
	defer door.Close()
	o := short(bench.Fanout, broadcaster(t, false))
	o.PublishURL = door.URL
	result, err := bench.Run(t.Context(), o)
	if err != nil || result.Faults.Failed == 0 || !result.Partial || !strings.Contains(result.Err().Error(), "404") {
		t.Errorf("%+v, %v", result, err)
	}
}

// Each request is answered before the next one of its connection, also over TLS.
func TestPublish(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || len(body) != 64 || r.Header.Get("X-Key") != "y" || !strings.HasPrefix(r.URL.Path, "/channels/x-") {
			w.WriteHeader(http.StatusBadRequest)
		}
		seen.Add(1)
	})
	plain, secure := httptest.NewServer(answer), httptest.NewUnstartedServer(answer)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // of the connection that only tries the address
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	for _, s := range []*httptest.Server{plain, secure} {
		seen.Store(0)
		o := short(bench.Publish, s.URL+"/channels/x-{i}")
		o.Insecure, o.Header = true, http.Header{"X-Key": {"y"}}
		if result := clean(t, o); result.Sent < result.Done || seen.Load() < result.Done || result.Unit != "publication" {
			t.Errorf("%d arrived, %+v", seen.Load(), result)
		}
	}
	o := short(bench.Publish, strings.Replace(maruServer(t), "ws:", "http:", 1))
	clean(t, o)
}

func TestPublishIsRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"404": http.NotFound,
		"clo": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
	} {
		s := httptest.NewServer(answer)
		defer s.Close()
		result, err := bench.Run(t.Context(), short(bench.Publish, s.URL))
		if err != nil || result.Faults.Failed == 0 || !result.Partial || !strings.Contains(result.Err().Error(), name) {
			t.Errorf("%+v, %v", result, err)
		}
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	for _, url := range []string{maruServer(t), echoServer(t)} {
		o := short(bench.Connect, url)
		o.FirstMessages = []string{"hello"}
		if result := clean(t, o); result.Opening != nil {
			t.Error("a run that opens all the time has an opening")
		}
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	o := short(bench.Idle, maruServer(t))
	var calls atomic.Int64
	o.Progress = func(bench.Progress) { calls.Add(1) }
	o.Duration = 1200 * time.Millisecond
	result := clean(t, o)
	if result.Opening == nil || result.Done != 0 || calls.Load() == 0 {
		t.Errorf("%+v, %d times progress", result, calls.Load())
	}
	last := result.Timeline[len(result.Timeline)-1]
	if last.At < 1 || result.Timeline[len(result.Timeline)/2].Connections != 10 {
		t.Errorf("timeline %+v", result.Timeline)
	}
}

// Streams of server-sent events stand as connections do. A server that has none, or
// ends one, fails.
func TestIdleEvents(t *testing.T) {
	t.Parallel()
	url := "http" + strings.TrimPrefix(maruServer(t), "ws")
	result := clean(t, short(bench.Idle, url))
	if result.Opening == nil || result.Connections != 10 {
		t.Errorf("%+v", result)
	}
	if _, err := bench.Run(t.Context(), short(bench.Idle, strings.Replace(url, "/channels/", "/nothing/", 1))); err == nil {
		t.Error("a server without the stream is taken for one")
	}

	door := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		http.NewResponseController(w).Flush()
	}))
	defer door.Close()
	o := short(bench.Idle, door.URL)
	o.Duration = time.Minute // the fault ends it
	if result, err := bench.Run(t.Context(), o); err == nil && result.Faults.Closed == 0 {
		t.Errorf("streams that end: %+v", result.Faults)
	}
}

// With compression negotiated what arrives is the same; a server without it fails.
func TestDeflate(t *testing.T) {
	t.Parallel()
	for _, mode := range []bench.Mode{bench.Idle, bench.Connect, bench.Fanout} {
		o := short(mode, maruServer(t))
		o.Deflate = true
		clean(t, o)
	}
	o := short(bench.Idle, serveWS(t, &ws.Server{NoCompression: true}))
	o.Deflate = true
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "declined") {
		t.Error(err)
	}
}

// The process that serves is this one: its CPU and memory are known on Linux.
func TestServerProcess(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Log("another system: the process is not looked at")
		return
	}
	o := short(bench.Echo, echoServer(t))
	o.PID, o.Beside = os.Getpid(), []int{os.Getppid(), os.Getpid()}
	result := clean(t, o)
	s := result.Server
	if b := result.Beside; len(b) != 2 || b[0].PID != os.Getppid() || b[1].PID != os.Getpid() || b[1].CPU <= 0 || b[1].UserCPU > b[1].CPU || b[1].PerUnit <= 0 {
		t.Errorf("%+v", b)
	}
	if s == nil || s.PID != os.Getpid() || s.CPU <= 0 || s.UserCPU > s.CPU || s.PerUnit <= 0 || s.RSSBefore < 1<<20 || s.RSSAfter < 1<<20 {
		t.Errorf("%+v", s)
	}
	if s.CPUShare > 1.05*float64(runtime.NumCPU()) {
		t.Errorf("%v cores were used", s.CPUShare)
	}
	if result.ToolCPU <= 0 {
		t.Error("this tool used nothing")
	}
}

// Each fault is found, counted as its kind, and ends the run.
func TestFaults(t *testing.T) {
	t.Parallel()
	lost := func(f bench.Faults) int64 { return f.Lost }
	repeated := func(f bench.Faults) int64 { return f.Repeated }
	damaged := func(f bench.Faults) int64 { return f.Damaged }
	closed := func(f bench.Faults) int64 { return f.Closed }
	for name, tt := range map[string]struct {
		mode  bench.Mode
		fault func(c *ws.Conn, m ws.Message) // instead of the hundredth answer
		want  func(bench.Faults) int64
	}{
		"lost":     {bench.Echo, func(*ws.Conn, ws.Message) {}, lost},
		"repeated": {bench.Echo, func(c *ws.Conn, m ws.Message) { c.Send(m); c.Send(m) }, repeated},
		"damaged": {bench.Echo, func(c *ws.Conn, m ws.Message) {
			m.Data = bytes.ToUpper(m.Data)
			c.Send(m)
		}, damaged},
		"another's": {bench.Echo, func(c *ws.Conn, m ws.Message) { c.SendText("welcome") }, damaged},
		"closed":    {bench.Echo, func(c *ws.Conn, m ws.Message) { c.Close(1013, "slow") }, closed},
		"cut":       {bench.Echo, func(c *ws.Conn, m ws.Message) { c.Terminate() }, closed},
		"idle, cut": {bench.Idle, func(c *ws.Conn, m ws.Message) { c.Terminate() }, closed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int64
			at := int64(100)
			if tt.mode == bench.Idle {
				at = 10 // the last greeting
			}
			url := serveWS(t, &ws.Server{OnMessage: func(c *ws.Conn, m ws.Message) {
				if n.Add(1) == at {
					tt.fault(c, m)
				} else {
					c.Send(m)
				}
			}})
			o := short(tt.mode, url)
			o.Duration = time.Minute // the fault ends it
			o.InFlight = 4           // what follows a lost message shows that it is
			if tt.mode == bench.Idle {
				o.FirstMessages = []string{"hello"}
			}
			result, err := bench.Run(t.Context(), o)
			if err != nil {
				// The idle one may fail while the last connections open.
				if tt.mode != bench.Idle {
					t.Fatal(err)
				}
				return
			}
			if tt.want(result.Faults) == 0 || result.Err() == nil || !result.Partial {
				t.Errorf("%+v", result.Faults)
			}
		})
	}
}

// A message that went to the wrong connection is whole, and wrong.
func TestCrossedEchoes(t *testing.T) {
	t.Parallel()
	var first atomic.Pointer[ws.Conn]
	url := serveWS(t, &ws.Server{OnMessage: func(c *ws.Conn, m ws.Message) {
		first.CompareAndSwap(nil, c)
		first.Load().Send(m)
	}})
	o := short(bench.Echo, url)
	o.Connections = 2
	result, err := bench.Run(t.Context(), o)
	if err != nil || result.Faults.Damaged == 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

// A server that wraps messages, wants to be greeted, and tells other things too.
func TestServerWithAProtocolOfItsOwn(t *testing.T) {
	t.Parallel()
	s := &ws.Server{Subprotocols: []string{"chat.v1"}}
	var mu sync.Mutex
	greeted, joined := map[*ws.Conn]bool{}, map[*ws.Conn]bool{}
	s.OnMessage = func(c *ws.Conn, m ws.Message) {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case string(m.Data) == "hello":
			greeted[c] = true
			c.SendText("welcome")
		case greeted[c] && bytes.HasPrefix(m.Data, []byte("join ")):
			joined[c] = true
		case joined[c] && c.Subprotocol() == "chat.v1":
			s.Broadcast(ws.Text(`{"got":` + string(m.Data) + "}\n{}"))
		default:
			c.Close(1008, "who are you?")
		}
	}
	o := short(bench.Fanout, serveWS(t, s))
	o.FirstMessages, o.Message, o.Subprotocols = []string{"hello", "join {i}"}, `{"say":"{payload}"}`, []string{"chat.v1"}
	o.Contains = true
	o.Settle = 50 * time.Millisecond
	clean(t, o)

	o.FirstMessages = o.FirstMessages[:1]
	if result, err := bench.Run(t.Context(), o); err != nil || result.Faults.Closed == 0 {
		t.Errorf("not greeted: %+v, %v", result, err)
	}
}

func TestHandshakeIsRefused(t *testing.T) {
	t.Parallel()
	url := serveWS(t, &ws.Server{OnHandshake: func(r *http.Request) error {
		if r.Header.Get("X-Key") == "sesame" {
			return nil
		}
		return ws.Refuse(http.StatusForbidden, "no")
	}})
	o := short(bench.Idle, url)
	if _, err := bench.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "403") {
		t.Error(err)
	}
	o = short(bench.Connect, url)
	if result, err := bench.Run(t.Context(), o); err != nil || result.Faults.Failed == 0 {
		t.Error(err)
	}
	o.Header = http.Header{"X-Key": {"sesame"}}
	clean(t, o)
}

// An interrupted run has a result, which says so; it is no fault.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	for _, mode := range []bench.Mode{bench.Connect, bench.Fanout, bench.Echo, bench.Idle} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			o := short(mode, broadcaster(t, false))
			if mode == bench.Echo {
				o.URL = echoServer(t)
			}
			o.Duration = time.Hour
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o.Progress = func(p bench.Progress) {
				if p.Phase == "measured" {
					cancel()
				}
			}
			result, err := bench.Run(ctx, o)
			if err != nil || !result.Partial || result.Err() != nil || result.Seconds <= 0 || result.Seconds > 600 {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
}

func TestInterruptedBeforeItBegan(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := short(bench.Echo, echoServer(t))
	if _, err := bench.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	o.Warmup = time.Hour
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	o.Progress = func(bench.Progress) { cancel() }
	if _, err := bench.Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// With TLS all is the same, but for the trust.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := &ws.Server{Inline: true, OnMessage: func(c *ws.Conn, m ws.Message) { c.Send(m) }}
	h := httptest.NewUnstartedServer(s)
	h.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that say nothing
	h.StartTLS()
	defer h.Close()
	defer s.Shutdown(context.Background())
	o := short(bench.Echo, "wss"+strings.TrimPrefix(h.URL, "https"))
	o.Insecure = true
	clean(t, o)
}

// A server that ends the connection without a word fails a connect.
func TestConnectWithoutClose(t *testing.T) {
	t.Parallel()
	url := serveWS(t, &ws.Server{OnConnection: func(c *ws.Conn, _ *http.Request) { c.Terminate() }})
	result, err := bench.Run(t.Context(), short(bench.Connect, url))
	if err != nil || result.Faults.Failed == 0 {
		t.Errorf("%+v, %v", result, err)
	}
}

func TestPagesAndText(t *testing.T) {
	t.Parallel()
	for _, mode := range []bench.Mode{bench.Connect, bench.Fanout, bench.Echo, bench.Idle} {
		o := short(mode, echoServer(t))
		if mode == bench.Fanout {
			o.URL = broadcaster(t, false)
		}
		o.Command = "maru bench <script>"
		result := clean(t, o)
		var page bytes.Buffer
		if err := result.WriteHTML(&page); err != nil {
			t.Fatal(err)
		}
		checkPage(t, page.String())
		if err := result.Write(io.Discard); err != nil {
			t.Error(err)
		}
	}
}
