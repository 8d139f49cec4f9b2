package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestHealthcheck(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--base-path", "/live")
	secure := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-self-signed")
	draining := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer draining.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, tt := range map[string]struct {
		env  []string
		args []string
		code int
		want string
	}{
		"works":                {nil, []string{"--server", live.url}, exitOK, ""},
		"under its base path":  {nil, []string{"--server", live.url + "/live/"}, exitOK, ""},
		"by environment":       {[]string{"MARU_SERVER=" + live.url}, nil, exitOK, ""},
		"takes clients":        {nil, []string{"--ready", "--server", live.url}, exitOK, ""},
		"self-signed":          {nil, []string{"--insecure", "--server", secure.url}, exitOK, ""},
		"untrusted":            {nil, []string{"--server", secure.url}, exitFailure, "--insecure"},
		"https, asked by http": {nil, []string{"--server", strings.Replace(secure.url, "https", "http", 1)}, exitFailure, "https://"},
		"drains, and works":    {nil, []string{"--server", draining.URL}, exitOK, ""},
		"drains":               {nil, []string{"--ready", "--server", draining.URL}, exitFailure, "/readyz answered 503"},
		"is not there":         {nil, []string{"--server", gone.URL}, exitFailure, "refused"},
		"is not at an address": {nil, []string{"--server", "localhost:3000"}, exitUsage, "--server"},
		"has no such address":  {nil, []string{"--server", live.url + "/other"}, exitFailure, "answered 404"},
	} {
		got := call(t, "", tt.env, append([]string{"healthcheck"}, tt.args...)...)
		if got.code != tt.code || got.stdout != "" || !strings.Contains(got.stderr, tt.want) || tt.want == "" && got.stderr != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A server that hangs is not healthy, and the check ends before that of Docker or Kubernetes.
func TestHealthcheckOfAServerThatHangs(t *testing.T) {
	t.Parallel()
	hanging := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hanging }))
	defer server.Close()
	defer close(hanging)
	began := time.Now()
	got := call(t, "", nil, "healthcheck", "--server", server.URL)
	if got.code != exitFailure || !strings.Contains(got.stderr, "no answer within 3s") || time.Since(began) < healthTimeout {
		t.Errorf("%+v after %v", got, time.Since(began))
	}
}
