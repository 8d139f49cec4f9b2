package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"maru.example/maru/internal/bench"
	"maru.example/maru/ws"
)

func TestBenchHelp(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	for file, args := range map[string][]string{
		"help-bench.golden":         {"bench", "--help"},
		"help-bench-connect.golden": {"bench", "connect", "--help"},
		"help-bench-fanout.golden":  {"help", "bench", "fanout"},
		"help-bench-echo.golden":    {"bench", "echo", "--help"},
		"help-bench-publish.golden": {"bench", "publish", "--help"},
		"help-bench-idle.golden":    {"bench", "idle", "--help"},
	} {
		got := call(t, "", nil, args...)
		if got.code != exitOK || got.stderr != "" {
			t.Errorf("maru %v: exit code %d, stderr %q", args, got.code, got.stderr)
		}
		golden(t, file, got.stdout)
	}
}

// Each mistake is refused with exit code 2 before anything is sent.
func TestBenchUsageErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, want string }{
		{"", "connect"},
		{"sing", "sing"},
		{"idle now", "now"},
		{"idle --url https://127.0.0.1:1/", "--url"},
		{"idle --url ws://192.0.2.1:3000/", "--i-own-this-server"},
		{"fanout --publish-url ftp://127.0.0.1/", "--publish-url"},
		{"idle --connections 0", "--connections"},
		{"idle --connections many", "--connections"},
		{"idle --duration 10", "--duration"},
		{"idle --duration 0s", "--duration"},
		{"idle --pid me", "--pid"},
		{"idle --size 64", "--size"},
		{"idle --html " + t.TempDir() + "/none/x.html", "--html"},
		{"idle --html " + t.TempDir(), "--html"},
		{"connect --header X", "--header"},
		{"connect --header X:1\nY:2", "--header"},
		{"fanout --publish-header :1", "--publish-header"},
		{"fanout --window 0", "--window"},
		{"fanout --rate 0", "--rate"},
		{"fanout --rate 10 --window 1", "--window"},
		{"fanout --size 16", "--size"},
		{"fanout --message hello", "--message"},
		{"echo --in-flight 0", "--in-flight"},
		{"publish --url ws://127.0.0.1:1/", "--url"},
		{"publish --deflate", "--deflate"},
		{"idle --beside 0", "--beside"},
		{"echo --window 1", "--window"},
	} {
		var words []string
		if tt.args != "" {
			words = strings.Split(tt.args, " ")
		}
		got := call(t, "", nil, append([]string{"bench"}, words...)...)
		if got.code != exitUsage || got.stdout != "" || !strings.Contains(got.stderr, tt.want) {
			t.Errorf("maru bench %s: %+v, want %s", tt.args, got, tt.want)
		}
	}
}

// quick makes a run of a tenth of a second.
func quick(words ...string) []string {
	return append([]string{"bench"}, append(words, "--connections", "5", "--warmup", "20ms", "--settle", "20ms", "--duration", "100ms")...)
}

// measured makes a run that must succeed and do something. On a busy machine its time
// may be too short for that: then it takes ten times as long.
func measured(t *testing.T, words []string) (result bench.Result, stdout string) {
	t.Helper()
	for _, duration := range []string{"100ms", "1s", "10s"} {
		got := call(t, "", nil, append(words, "--duration", duration)...)
		result = bench.Result{}
		if err := json.Unmarshal([]byte(got.stdout), &result); err != nil || got.code != exitOK || got.stderr != "" {
			t.Fatalf("maru %v: %v, %+v", words, err, got)
		}
		if result.Done > 0 || result.Mode == bench.Idle {
			return result, got.stdout
		}
	}
	t.Fatalf("maru %v did nothing: %+v", words, result)
	return
}

func TestBench(t *testing.T) {
	t.Parallel()
	server := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	base := "ws" + strings.TrimPrefix(server.url, "http") + "/channels/"
	dir := t.TempDir()
	for _, tt := range []struct {
		words []string
		unit  string
	}{
		{[]string{"connect", "--url", base + "connect"}, "connect"},
		{[]string{"fanout", "--url", base + "window", "--window", "4"}, "delivery"},
		{[]string{"fanout", "--url", base + "rate", "--rate", "100"}, "delivery"},
		{[]string{"fanout", "--url", base + "post", "--publish-url", server.url + "/channels/post"}, "delivery"},
		{[]string{"echo", "--url", base + "echo-{i}", "--in-flight", "2", "--header", "Authorization: Bearer secret", "--header=X-Key:secret"}, "echo"},
		{[]string{"publish", "--url", server.url + "/channels/posts-{i}", "--header", "X-Key: secret"}, "publication"},
		{[]string{"idle", "--url", base + "idle"}, "connection"},
	} {
		page := filepath.Join(dir, tt.unit+".html")
		result, stdout := measured(t, quick(append(tt.words, "--json", "--html", page)...))
		if result.Unit != tt.unit || !strings.HasPrefix(result.Command, "maru bench "+tt.words[0]) {
			t.Errorf("maru bench %v: %s", tt.words, stdout)
		}
		html, err := os.ReadFile(page)
		if err != nil || !strings.Contains(string(html), "</html>") {
			t.Errorf("page: %v", err)
		}
		if strings.Contains(string(html)+stdout, "secret") {
			t.Error("a header's value is in the result")
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, ".*")); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// A server with a protocol of its own, which wants a subprotocol, a greeting and messages
// in its form, and whose process is looked at.
func TestBenchOtherProtocol(t *testing.T) {
	t.Parallel()
	s := &ws.Server{Subprotocols: []string{"chat.v1"}, Inline: true}
	s.OnMessage = func(c *ws.Conn, m ws.Message) {
		switch {
		case c.Subprotocol() != "chat.v1":
			c.Close(1008, "of another kind")
		case strings.HasPrefix(m.String(), "join "):
			c.SendText("welcome")
		default:
			s.Broadcast(ws.Text(strings.Replace(m.String(), "say", "said", 1)))
		}
	}
	h := httptest.NewServer(s)
	defer h.Close()
	defer s.Shutdown(t.Context())
	words := quick("fanout", "--url", "ws"+strings.TrimPrefix(h.URL, "http"), "--json", "--pid", strconv.Itoa(os.Getpid()),
		"--first-message", "join {i}", "--message", `{"say":"{payload}"}`, "--contains")
	if got := call(t, "", nil, words...); got.code != exitFailure || !strings.Contains(got.stderr, "1008") {
		t.Errorf("without the subprotocol: %+v", got)
	}
	result, _ := measured(t, append(words, "--subprotocol", "chat.v1"))
	if p := result.Server; runtime.GOOS == "linux" && (p == nil || p.PID != os.Getpid() || p.CPU <= 0) {
		t.Errorf("the server's process: %+v", p)
	}
}

func TestBenchPrintsATable(t *testing.T) {
	t.Parallel()
	server := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	got := call(t, "", nil, append(quick("idle", "--url", "ws"+strings.TrimPrefix(server.url, "http"), "--progress"), "--duration", "1200ms")...)
	if got.code != exitOK || !strings.Contains(got.stdout, "\n  faults") {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(got.stderr, "5 connections") {
		t.Errorf("progress: %q", got.stderr)
	}
}

// A failed run has exit code 1, and leaves an older page as it was.
func TestBenchFails(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := call(t, "", nil, quick("echo", "--html", page, "--url", "ws"+strings.TrimPrefix(server.URL, "http"))...)
	if got.code != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, "404") {
		t.Errorf("%+v", got)
	}
	if text, err := os.ReadFile(page); string(text) != "old" {
		t.Errorf("%q, %v", text, err)
	}
	// Connecting again and again is what is measured there: that has a result.
	got = call(t, "", nil, quick("connect", "--url", "ws"+strings.TrimPrefix(server.URL, "http"))...)
	if got.code != exitFailure || !strings.Contains(got.stdout, "failed") || !strings.Contains(got.stderr, "404") {
		t.Errorf("%+v", got)
	}
}

func TestShownCommand(t *testing.T) {
	t.Parallel()
	got := shown([]string{"bench", "idle", "--header", "Cookie: a=b", "--publish-header=X:y", "--first-message", `it's {"a":1}`})
	if want := `maru bench idle --header 'Cookie: …' '--publish-header=X: …' --first-message 'it'\''s {"a":1}'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
