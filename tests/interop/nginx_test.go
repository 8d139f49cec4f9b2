package interop_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The nginx of docs/operating.md answers event streams while maru is away as maru would (issue 15
// §4), and everything else with 503.
func TestNginxWhileMaruIsAway(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("nginx is not installed")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("daemon off; pid %[1]s/pid; error_log %[1]s/err;\nevents {}\nhttp {\naccess_log off;\n"+
		"client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\n%s\n}\n",
		dir, strings.NewReplacer("server {", "server { listen "+at+";", "127.0.0.1:3000", "127.0.0.1:1").Replace(nginxSnippet(t)))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), nginx, "-p", dir, "-c", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Signal(os.Interrupt); cmd.Wait() })

	for accept, want := range map[string]string{"text/event-stream": "200 text/event-stream", "application/json": "503 "} {
		got, body := asked(t, "http://"+at+"/channels/a", accept)
		if !strings.HasPrefix(got, want) || strings.HasPrefix(want, "200") != strings.Contains(body, "\nevent: refused\ndata: {\"code\":\"unavailable\"") {
			t.Errorf("Accept %s: %s %s", accept, got, body)
		}
	}
}

// asked waits until nginx answers.
func asked(t *testing.T, url, accept string) (answer, body string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; <-time.After(20 * time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			if time.Now().After(end) {
				t.Fatal(err)
			}
			continue
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("Content-Type")), string(text)
	}
}

// nginxSnippet is the part of docs/operating.md about event streams.
func nginxSnippet(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## Event streams behind a proxy\n")
	_, after, found2 := strings.Cut(after, "```nginx\n")
	snippet, _, found3 := strings.Cut(after, "```")
	if !found || !found2 || !found3 {
		t.Fatal("docs/operating.md has no snippet for nginx")
	}
	return snippet
}
