package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// forward is an HTTP proxy that sends everybody to one server, whatever they ask for.
func forward(to *url.URL) http.Handler {
	plain := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
	}}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			plain.ServeHTTP(w, r)
			return
		}
		back, err := net.Dial("tcp", to.Host)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer back.Close()
		w.WriteHeader(http.StatusOK)
		nc, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer nc.Close()
		go func() {
			io.Copy(back, rw)
			back.Close()
		}()
		io.Copy(nc, back)
	})
}

// as runs the program in a process of its own, with these variables alone, and returns its output.
func as(t *testing.T, env []string, args ...string) (output string, code int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], args...)
	child.Env = append(env, "TEST_AS_PROGRAM=1")
	out, err := child.CombinedOutput()
	if err != nil && child.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), child.ProcessState.ExitCode()
}

// Issue 15 §12: publish, subscribe and bench reach a server through the proxy of the environment,
// by HTTP and by WebSocket. The name of the server is known to the proxy only.
func TestProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--host", "xn--bcher-kva.invalid")
	for _, channel := range []string{"c", "d"} {
		if got := call(t, "", nil, "publish", channel, "x", "--server", live.url); got.code != exitOK {
			t.Fatal(got)
		}
	}
	at, err := url.Parse(live.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(forward(at))
	defer proxy.Close()
	env := []string{"HTTP_PROXY=" + proxy.URL}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"publish":            {[]string{"publish", "a", "x", "--server", "http://bücher.invalid"}, ":"},
		"publish, WebSocket": {[]string{"publish", "b", "x", "--server", "ws://bücher.invalid"}, ""},
		"subscribe":          {[]string{"subscribe", "c", "--last", "1", "--count", "1", "--server", "http://bücher.invalid"}, "x\n"},
		"subscribe, JSON":    {[]string{"subscribe", "d", "--json", "--last", "1", "--count", "1", "--server", "http://bücher.invalid"}, `"data":"x"`},
		"bench":              {[]string{"bench", "echo", "--url", "ws://bücher.invalid/channels/bench-{i}", "--connections", "2", "--duration", "50ms", "--warmup", "0s", "--settle", "0s", "--i-own-this-server"}, "echo"},
		"bench, events":      {[]string{"bench", "idle", "--url", "http://bücher.invalid/channels/e", "--connections", "2", "--duration", "50ms", "--warmup", "0s", "--settle", "0s", "--i-own-this-server"}, "idle"},
	} {
		t.Run(name, func(t *testing.T) {
			if out, code := as(t, env, test.args...); code != exitOK || !strings.Contains(out, test.want) {
				t.Errorf("exit code %d: %s", code, out)
			}
		})
	}
}

// The message names the proxy's answer as its own, and says what to do. It shows no password.
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for status, says := range map[int]string{502: "502 Bad Gateway", 407: "user and password", 403: "403 Forbidden"} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		defer proxy.Close()
		at := strings.Replace(proxy.URL, "://", "://kim:open-sesame@", 1)
		env := []string{"HTTP_PROXY=" + at, "HTTPS_PROXY=" + at}
		for _, scheme := range []string{"http", "https", "ws", "wss"} {
			commands := [][]string{{"publish", "news", "x"}}
			if status < 500 { // for which subscribe tries again
				commands = append(commands, []string{"subscribe", "news"})
			}
			for _, command := range commands {
				args := append(command, "--server", scheme+"://maru.invalid")
				out, code := as(t, env, args...)
				if code != exitFailure || !strings.Contains(out, says) || !strings.Contains(out, "proxy") || strings.Contains(out, "sesame") {
					t.Errorf("%d, %q: exit code %d: %s", status, args, code, out)
				}
			}
		}
	}
}
