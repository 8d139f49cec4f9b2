package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"maru.example/maru/internal/config"
	"maru.example/maru/internal/listen"
)

// running is a server inside this process.
type running struct {
	url            string // of the hall, without the slash
	stdout, stderr *output
	cancel         context.CancelFunc
	code           chan int
}

var hallURL = regexp.MustCompile(`https?://\S+:\d+`)

// start runs maru with these words until the test ends. Only after it has
// printed its addresses does it return.
func start(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r := &running{stdout: newOutput(), stderr: newOutput(), cancel: cancel, code: make(chan int, 1)}
	go func() {
		r.code <- run(ctx, args, &surroundings{env: env, stdout: r.stdout, stderr: r.stderr})
	}()
	t.Cleanup(func() { r.stop(t, exitOK) })
	text := r.stdout.wait(t, "curl")
	r.url = hallURL.FindString(text)
	return r
}

// stop ends the server as Ctrl-C does.
func (r *running) stop(t *testing.T, want int) {
	t.Helper()
	r.cancel()
	code, first := <-r.code
	if first && code != want {
		t.Errorf("exit code %d, stderr %q", code, r.stderr)
	}
	if first {
		close(r.code)
	}
}

// The flags about hosts reach the server.
func TestHosts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		flags []string
		host  string
		want  int
	}{
		{nil, "evil.example", http.StatusMisdirectedRequest},
		{[]string{"--host", "intranet.example"}, "intranet.example", http.StatusOK},
		{[]string{"--host", "intranet.example"}, "evil.example", http.StatusMisdirectedRequest},
		{[]string{"--any-host"}, "evil.example", http.StatusOK},
	} {
		live := start(t, nil, append([]string{"serve", "--listen", "127.0.0.1:0"}, tt.flags...)...)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, live.url+"/", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tt.want {
			t.Errorf("%v, Host %s: %d, want %d", tt.flags, tt.host, answer.StatusCode, tt.want)
		}
	}
}

func TestServePublishSubscribe(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	env := []string{"MARU_SERVER=" + live.url + "/"}
	publish := func(stdin string, args ...string) []string {
		t.Helper()
		got := call(t, stdin, env, append([]string{"publish"}, args...)...)
		if got.code != exitOK {
			t.Fatalf("maru publish %v: exit code %d, %s", args, got.code, got.stderr)
		}
		return strings.Fields(got.stdout)
	}

	name := "a room: 100% café?" // what must be escaped
	first := publish("", name, "hello")
	publish(" as it is\n", name)
	lines := publish("one\r\ntwo\n\nlast", name, "-", "--lines", "--key", "k&1")
	if len(first) != 1 || len(lines) != 4 {
		t.Errorf("positions %v and %v", first, lines)
	}
	publish(`{ "a" : [1, 2] }`, name, "--json")
	publish("\xff\x00", name, "--binary")

	t.Run("text", func(t *testing.T) {
		got := call(t, "", env, "subscribe", name, "--last", "10", "--count", "8")
		want := "hello\n as it is\n\none\ntwo\n\nlast\n{\"a\":[1,2]}\n\xff\x00\n"
		if got.code != exitOK || got.stdout != want || got.stderr != "" {
			t.Errorf("%+v, want %q", got, want)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		got := call(t, "", env, "subscribe", name, "--since", lines[1], "--count", "4", "--json")
		var kinds []string
		for line := range strings.Lines(got.stdout) {
			var p struct{ Channel, Epoch, Kind, Key string }
			if err := json.Unmarshal([]byte(line), &p); err != nil || p.Channel != name || !strings.HasPrefix(lines[1], p.Epoch+":") {
				t.Errorf("%s: %v", line, err)
			}
			kinds = append(kinds, p.Kind+p.Key)
		}
		if fmt.Sprint(kinds) != "[textk&1 textk&1 json binary]" || got.code != exitOK {
			t.Errorf("%v: %+v", kinds, got)
		}
	})
	t.Run("several channels", func(t *testing.T) {
		publish("", "other", "hi")
		got := call(t, "", env, "subscribe", "other", "no news here", "--last", "1", "--count", "1")
		if got.code != exitOK || got.stdout != "other\thi\n" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("refused", func(t *testing.T) {
		for _, args := range [][]string{{"publish", "hall", "{", "--json"}, {"publish", "$mine", "x"}, {"subscribe", "$mine"}, {"subscribe", "$mine", "--json"}} {
			got := call(t, "", env, args...)
			if got.code != exitFailure || !regexp.MustCompile(`(bad_json|not_allowed): \w+`).MatchString(got.stderr) {
				t.Errorf("maru %v: %+v", args, got)
			}
		}
	})
	t.Run("a line refused", func(t *testing.T) {
		got := call(t, "1\n2\n{\n4\n", env, "publish", "hall", "--lines", "--json")
		if got.code != exitFailure || len(strings.Fields(got.stdout)) != 2 || !strings.Contains(got.stderr, "line 3") {
			t.Errorf("%+v", got)
		}
	})

	live.stop(t, exitOK)
	if got := call(t, "", env, "publish", "hall", "x"); got.code != exitFailure || !strings.Contains(got.stderr, "refused") {
		t.Errorf("publish to nobody: %+v", got)
	}
}

// A subscriber outlives the server, gets a gap because the history is new, and goes on.
func TestSubscribeThroughRestart(t *testing.T) {
	t.Parallel()
	first := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	address := strings.TrimPrefix(first.url, "http://")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout, stderr := newOutput(), newOutput()
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"subscribe", "hall", "--last", "1", "--server", first.url}, &surroundings{stdout: stdout, stderr: stderr})
	}()
	call(t, "", nil, "publish", "hall", "before", "--server", first.url)
	stdout.wait(t, "before\n")
	first.stop(t, exitOK)
	stderr.wait(t, "trying again")

	second := start(t, nil, "serve", "--listen", address)
	call(t, "", nil, "publish", "hall", "after", "--server", second.url)
	stdout.wait(t, "after\n")
	stderr.wait(t, "began anew")
	cancel()
	if code := <-code; code != exitOK || stdout.String() != "before\nafter\n" {
		t.Errorf("exit code %d, printed %q", code, stdout)
	}
}

func TestPlainServesTheDemo(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "--listen", "127.0.0.1:0")
	if !strings.Contains(live.stdout.String(), live.url+"/quotes") {
		t.Errorf("quotes are not among %q", live.stdout)
	}
	got := call(t, "", nil, "subscribe", "quotes", "--count", "1", "--server", live.url)
	if got.code != exitOK || !json.Valid([]byte(got.stdout)) {
		t.Errorf("%+v", got)
	}
}

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-self-signed", "--host", "chat.example.com:8443", "--host", "192.0.2.7")
	text := live.stdout.String()
	for _, want := range []string{"https://127.0.0.1:", "wss://127.0.0.1:", "curl -k", "SHA-256"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in %q", want, text)
		}
	}
	if got := call(t, "", nil, "publish", "hall", "x", "--server", live.url, "--insecure"); got.code != exitOK {
		t.Errorf("%+v", got)
	}
	// A certificate that is not trusted stays so: no second try.
	for _, command := range []string{"publish", "subscribe"} {
		if got := call(t, "x", nil, command, "hall", "--server", live.url); got.code != exitFailure || !strings.Contains(got.stderr, "x509") {
			t.Errorf("%s: %+v", command, got)
		}
	}

	conn, err := tls.Dial("tcp", strings.TrimPrefix(live.url, "https://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	leaf := conn.ConnectionState().PeerCertificates[0]
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "chat.example.com", "192.0.2.7"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if left := time.Until(leaf.NotAfter); left < selfSignedLife-time.Hour || left > selfSignedLife {
		t.Errorf("good for %v more, want %v", left, selfSignedLife)
	}
	if want := fingerprint(&tls.Certificate{Certificate: [][]byte{leaf.Raw}}); !strings.Contains(text, want) {
		t.Errorf("fingerprint %s is not in %q", want, text)
	}
}

func TestCertificateFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "one")
	_, otherKey := writeCertificate(t, dir, "two")
	garbage, none := filepath.Join(dir, "garbage.pem"), filepath.Join(dir, "none.pem")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}

	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	for _, args := range [][]string{{"--ca", cert}, {"--insecure"}} {
		args = append([]string{"publish", "hall", "x", "--server", live.url}, args...)
		if got := call(t, "", nil, args...); got.code != exitOK {
			t.Errorf("%v: %+v", args, got)
		}
	}

	for _, tt := range []struct{ name, cert, key, bad string }{
		{"no certificate", none, key, none},
		{"no key", cert, none, none},
		{"garbage for a certificate", garbage, key, garbage},
		{"garbage for a key", cert, garbage, garbage},
		{"another's key", cert, otherKey, otherKey},
	} {
		got := call(t, "", nil, "serve", "--listen", "127.0.0.1:0", "--tls-cert", tt.cert, "--tls-key", tt.key)
		if got.code != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, tt.bad) || strings.Count(got.stderr, ":") < 2 {
			t.Errorf("%s: %+v does not name %s and the reason", tt.name, got, tt.bad)
		}
	}
}

// Either address of the two may be the one that is taken; that one is named, and
// the other is not kept.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	for _, order := range [][]string{{taken.Addr().String(), free.Addr().String()}, {free.Addr().String(), taken.Addr().String()}} {
		// The certificate is not even looked at: the ports come first.
		got := call(t, "", nil, "serve", "--listen", order[0], "--listen", order[1], "--tls-cert", "none", "--tls-key", "none")
		if got.code != exitFailure || got.stdout != "" || !strings.Contains(got.stderr, "cannot listen on "+taken.Addr().String()) {
			t.Errorf("%v: %+v", order, got)
		}
		again, err := net.Listen("tcp", free.Addr().String())
		if err != nil {
			t.Fatalf("the free port was kept: %v", err)
		}
		again.Close()
	}
}

// A taken port is answered with the flag that chooses another, and with a port that may be
// free.
func TestPortInUseNamesTheFlag(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	for _, tt := range []struct{ flag, args string }{
		{"listen", "serve --listen " + at},
		{"metrics-listen", "serve --listen 127.0.0.1:0 --metrics-listen " + at},
	} {
		got := call(t, "", nil, strings.Fields(tt.args)...)
		if got.code != exitFailure || !strings.Contains(got.stderr, at) || !strings.Contains(got.stderr, "such as --"+tt.flag+" 127.0.0.1:") {
			t.Errorf("%s: %+v", tt.args, got)
		}
	}
}

func TestNoIPv6(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{
		&net.OpError{Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)}:  true,
		&net.OpError{Err: os.NewSyscallError("socket", syscall.EAFNOSUPPORT)}: true,
		&net.OpError{Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}:     false,
		errors.New("other"): false,
	} {
		if got := listen.NoSuchFamily(err); got != want {
			t.Errorf("%v: %v", err, got)
		}
	}
	// An address of --listen must exist (RFC 5737 §3: for documentation only).
	if _, err := (&serveCmd{Serve: config.Serve{Listen: []string{"127.0.0.1:0", "192.0.2.1:0"}}}).listen(slog.New(slog.DiscardHandler)); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("listening on nobody's address: %v", err)
	}
}

// Everybody who is connected is let go when the program is asked to end.
func TestServeEndsInOrder(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "--listen", "127.0.0.1:0")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, live.url, nil)
	req.Header.Set("Accept", "text/event-stream")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	ended := make(chan error, 1)
	go func() {
		_, err := readAll(resp.Body)
		ended <- err
	}()
	live.stop(t, exitOK)
	if err := <-ended; err == nil {
		t.Error("the stream goes on")
	}
}
