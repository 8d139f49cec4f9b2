package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The commands print what a server answers, and exit with 1 if one of the cluster is away.
func TestClusterCommands(t *testing.T) {
	t.Parallel()
	answers := map[string]string{
		"well": `{"members":[{"name":"a-1","state":"current","leads":true},{"name":"b-2","state":"behind","this":true}]}`,
		"away": `{"members":[{"name":"a-1","state":"away","silent_seconds":25.4}]}`,
		"odd":  `<html>`,
	}
	for name, c := range map[string]struct {
		answer, want string
		code         int
	}{
		"well":                  {answers["well"], "a-1  current  leads\nb-2  behind    (this server)\n", exitOK},
		"away":                  {answers["away"], "a-1  away  for 25s\n", exitFailure},
		"no answer of a server": {answers["odd"], "", exitFailure},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet || r.URL.Path != "/admin/cluster" || r.Header.Get("Authorization") != "Bearer K" {
				t.Errorf("%s: %s %s %s", name, r.Method, r.URL, r.Header)
			}
			w.Write([]byte(c.answer))
		}))
		defer server.Close()
		got := call(t, "", []string{"MARU_TOKEN=K"}, "cluster", "status", "--server", server.URL)
		if got.code != c.code || got.stdout != c.want {
			t.Errorf("%s: %d %q %q", name, got.code, got.stdout, got.stderr)
		}
	}
}

// A server that is not one of a cluster says so, to API keys only.
func TestNoCluster(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	defer live.stop(t, exitOK)
	if got := call(t, "", []string{"MARU_SERVER=" + live.url}, "cluster", "status"); got.code != exitFailure || !strings.Contains(got.stderr, "not_allowed") {
		t.Errorf("%+v", got)
	}
	if got := call(t, "", []string{"MARU_SERVER=" + live.url}, "cluster", "remove", "a"); got.code != exitFailure || !strings.Contains(got.stderr, "not_allowed") {
		t.Errorf("%+v", got)
	}
}

// What is wrong with the secret is an error of the start, before anything is opened.
func TestClusterSecret(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"serve", "--listen", "127.0.0.1:0", "--data", dir, "--cluster", "a", "--cluster-listen", "10.0.0.1:6222", "--cluster-peer", "10.0.0.2:6222"}
	for name, c := range map[string]struct{ args, want string }{
		"none":    {"", "cluster-secret-file"},
		"missing": {"--cluster-secret-file " + dir + "/no", "cluster-secret-file"},
		"empty":   {"--cluster-secret-file " + empty, "is empty"},
	} {
		if got := call(t, "", nil, append(base, strings.Fields(c.args)...)...); got.code != exitUsage || !strings.Contains(got.stderr, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
