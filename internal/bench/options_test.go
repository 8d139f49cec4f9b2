package bench_test

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/bench"
)

// good is valid options, with a port where no server listens.
func good(mode bench.Mode) bench.Options {
	o := bench.Options{
		Mode: mode, URL: "ws://127.0.0.1:9/channels/x", Connections: 10,
		Duration: time.Second, Size: 64,
	}
	switch mode {
	case bench.Fanout:
		o.Window = 1
	case bench.Echo:
		o.InFlight = 1
	}
	return o
}

// Each mistake is refused before anything is sent, and its flag named.
func TestBadOptions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		mode   bench.Mode
		change func(*bench.Options)
		flag   string
	}{
		{"no URL", bench.Idle, func(o *bench.Options) { o.URL = "" }, "--url"},
		{"another scheme", bench.Idle, func(o *bench.Options) { o.URL = "https://127.0.0.1:1/" }, "--url"},
		{"events that are more than idle", bench.Fanout, func(o *bench.Options) { o.URL = "http://127.0.0.1:1/" }, "--url"},
		{"events with a greeting", bench.Idle, func(o *bench.Options) { o.URL, o.FirstMessages = "http://127.0.0.1:1/", []string{"hello"} }, "--url"},
		{"no host", bench.Idle, func(o *bench.Options) { o.URL = "ws:///x" }, "--url"},
		{"fragment", bench.Idle, func(o *bench.Options) { o.URL = "ws://127.0.0.1/#x" }, "--url"},
		{"number in the host", bench.Idle, func(o *bench.Options) { o.URL = "ws://127.0.0.{i}/" }, "--url"},
		{"number in the port", bench.Idle, func(o *bench.Options) { o.URL = "ws://127.0.0.1:300{i}/" }, "--url"},
		{"another machine", bench.Idle, func(o *bench.Options) { o.URL = "ws://192.0.2.1/" }, "--i-own-this-server"},
		{"all addresses", bench.Idle, func(o *bench.Options) { o.URL = "ws://0.0.0.0:9/" }, "--i-own-this-server"},
		{"a port of nothing", bench.Idle, func(o *bench.Options) { o.URL = "ws://127.0.0.1:99999/" }, "--url"},
		{"no connections", bench.Idle, func(o *bench.Options) { o.Connections = 0 }, "--connections"},
		{"too many connections", bench.Idle, func(o *bench.Options) { o.Connections = 1 << 30 }, "--connections"},
		{"no duration", bench.Idle, func(o *bench.Options) { o.Duration = 0 }, "--duration"},
		{"negative warm-up", bench.Idle, func(o *bench.Options) { o.Warmup = -1 }, "--warmup"},
		{"negative pause", bench.Idle, func(o *bench.Options) { o.Settle = -1 }, "--settle"},
		{"negative process", bench.Idle, func(o *bench.Options) { o.PID = -1 }, "--pid"},
		{"no such process", bench.Idle, func(o *bench.Options) { o.PID = 1 << 30 }, "--pid"},
		{"a process beside that is none", bench.Idle, func(o *bench.Options) { o.Beside = []int{1, -1} }, "--beside"},
		{"no such process beside", bench.Idle, func(o *bench.Options) { o.Beside = []int{1 << 30} }, "--beside"},
		{"small", bench.Echo, func(o *bench.Options) { o.Size = 31 }, "--size"},
		{"large", bench.Echo, func(o *bench.Options) { o.Size = 1<<20 + 1 }, "--size"},
		{"nothing in flight", bench.Echo, func(o *bench.Options) { o.InFlight = 0 }, "--in-flight"},
		{"too much in flight", bench.Echo, func(o *bench.Options) { o.Size, o.InFlight = 1<<20, 9 }, "--in-flight"},
		{"message without payload", bench.Echo, func(o *bench.Options) { o.Message = "hello" }, "--message"},
		{"no window", bench.Fanout, func(o *bench.Options) { o.Window = 0 }, "--window"},
		{"too large a window", bench.Fanout, func(o *bench.Options) { o.Size, o.Window = 1<<20, 9 }, "--window"},
		{"window and rate", bench.Fanout, func(o *bench.Options) { o.Rate = 1 }, "--rate"},
		{"negative rate", bench.Fanout, func(o *bench.Options) { o.Window, o.Rate = 0, -1 }, "--rate"},
		{"too high a rate", bench.Fanout, func(o *bench.Options) { o.Window, o.Rate = 0, 1e9 }, "--rate"},
		{"publish by WebSocket", bench.Fanout, func(o *bench.Options) { o.PublishURL = "ws://127.0.0.1/" }, "--publish-url"},
		{"groups that differ", bench.Fanout, func(o *bench.Options) { o.Groups = 3 }, "--groups"},
		{"negative groups", bench.Fanout, func(o *bench.Options) { o.Groups = -1 }, "--groups"},
		{"groups by POST", bench.Fanout, func(o *bench.Options) { o.Groups, o.PublishURL = 2, "http://127.0.0.1:9/" }, "--groups"},
		{"a group in the host", bench.Fanout, func(o *bench.Options) { o.Groups, o.URL = 2, "ws://127.0.0.{g}/" }, "--url"},
		{"unknown transport", bench.Idle, func(o *bench.Options) { o.SocketIO = "pigeon" }, "--socketio"},
		{"Socket.IO by events", bench.Idle, func(o *bench.Options) { o.SocketIO, o.URL = bench.WebSocket, "http://127.0.0.1:9/" }, "--socketio"},
		{"Socket.IO with compression", bench.Idle, func(o *bench.Options) { o.SocketIO, o.Deflate = bench.WebSocket, true }, "--socketio"},
		{"polling over TLS", bench.Idle, func(o *bench.Options) { o.SocketIO, o.URL = bench.Polling, "wss://127.0.0.1:9/" }, "--socketio"},
		{"publish by WebSocket", bench.Publish, func(*bench.Options) {}, "--url"},
		{"publish with a greeting", bench.Publish, func(o *bench.Options) { o.URL, o.FirstMessages = "http://127.0.0.1:9/", []string{"x"} }, "--first-message"},
		{"unknown mode", "sing", func(*bench.Options) {}, "sing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := good(tt.mode)
			tt.change(&o)
			result, err := bench.Run(t.Context(), o)
			if result != nil || !errors.Is(err, bench.ErrUsage) || !strings.Contains(err.Error(), tt.flag) {
				t.Errorf("%v, %v, want %s", result, err, tt.flag)
			}
		})
	}
}

// Nobody listens: that is no mistake of the caller's.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	o := good(bench.Idle)
	o.URL = "ws://127.0.0.1:1/"
	if _, err := bench.Run(t.Context(), o); err == nil || errors.Is(err, bench.ErrUsage) {
		t.Error(err)
	}
}

func TestOpenFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limit, connections int
		fits               bool
	}{{1024, 960, true}, {1024, 961, false}, {10, 1, false}, {0, 1 << 20, true}} {
		o := good(bench.Idle)
		o.Connections = tt.connections
		if err := bench.CheckFiles(o, tt.limit); (err == nil) != tt.fits || err != nil && !errors.Is(err, bench.ErrUsage) {
			t.Errorf("%d connections with %d files: %v", tt.connections, tt.limit, err)
		}
	}
}

// Every 25,000 connections come from another address, where that can be.
func TestSources(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "linux" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for i, want := range map[int]string{0: "127.0.0.1", 24_999: "127.0.0.1", 25_000: "127.0.0.2", 1_000_000: "127.0.0.41"} {
			nc, err := bench.ConnectAs(t.Context(), i, l.Addr().(*net.TCPAddr).AddrPort())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if got := nc.LocalAddr().(*net.TCPAddr).IP.String(); got != want {
				t.Errorf("connection %d comes from %s, want %s", i, got, want)
			}
		}
		if err := bench.RoomFor(30_000, netip.MustParseAddrPort("127.0.0.1:80")); err != nil {
			t.Error(err)
		}
	}
	if err := bench.RoomFor(30_000, netip.MustParseAddrPort("[::1]:80")); !errors.Is(err, bench.ErrUsage) {
		t.Error(err)
	}
}
