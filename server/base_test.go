package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// With a base path everything is below it, as it is at the root otherwise.
func TestBasePath(t *testing.T) {
	t.Parallel()
	live, err := server.New(server.Options{Open: true, Loopback: true, BasePath: "/live/now/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { live.Shutdown(t.Context()) })
	const page = "text/html"
	for name, test := range map[string]struct {
		method, target, accept string
		status                 int
		location               string
	}{
		"the hall":            {"GET", "/live/now/", page, 200, ""},
		"bare":                {"GET", "/live/now", page, 308, "/live/now/"},
		"bare, with a query":  {"GET", "/live/now?lang=ko", page, 308, "/live/now/?lang=ko"},
		"bare, for a program": {"HEAD", "/live/now", "*/*", 308, "/live/now/"},
		"bare, publish":       {"POST", "/live/now", "*/*", 200, ""},
		"a channel":           {"GET", "/live/now/channels/a", page, 200, ""},
		"an escaped name":     {"POST", "/live/now/channels/a%20b", "*/*", 200, ""},
		"an escaped slash":    {"POST", "/live/now/channels/a%2Fb", "*/*", 400, ""},
		"history":             {"GET", "/live/now/channels/a", "application/json", 200, ""},
		"presence":            {"GET", "/live/now/channels/a/presence", "application/json", 200, ""},
		"quotes":              {"GET", "/live/now/quotes", page, 200, ""},
		"an asset":            {"GET", "/live/now/assets/maru.js", "*/*", 200, ""},
		"the session":         {"GET", "/live/now/session", "*/*", 404, ""}, // nobody is signed in
		"ready":               {"GET", "/live/now/readyz", "*/*", 200, ""},
		"healthy, root":       {"GET", "/healthz", "*/*", 200, ""},
		"ready, root":         {"GET", "/readyz", "*/*", 200, ""},
		"metrics, root":       {"GET", "/metrics", "*/*", 200, ""},
		"the root":            {"GET", "/", page, 404, ""},
		"beside":              {"GET", "/live/nowhere", page, 404, ""},
		"above":               {"GET", "/live", page, 404, ""},
		"an asset, root":      {"GET", "/assets/maru.js", "*/*", 404, ""},
		"publish, root":       {"POST", "/channels/a", "*/*", 404, ""},
		"an escaped base":     {"GET", "/%6Cive/now/", page, 404, ""},
		"twice":               {"GET", "/live/now/live/now/", page, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(test.method, "http://localhost"+test.target, strings.NewReader("hi"))
			r.RequestURI = test.target
			r.Header.Set("Accept", test.accept)
			w := httptest.NewRecorder()
			live.ServeHTTP(w, r)
			if location := w.Header().Get("Location"); w.Code != test.status || location != test.location {
				t.Errorf("status %d, Location %q, want %d, %q: %.200s", w.Code, location, test.status, test.location, w.Body)
			}
		})
	}
}

// Sockets, streams and cookies are below the base path too, on the server's own listener.
func TestBasePathOverTCP(t *testing.T) {
	over(t, server.Options{BasePath: "/live"}, func(t *testing.T, w *world) {
		hall, bare := w.dial("/live/"), w.dial("/live")
		events := w.events("/live/channels/hall")
		if answer := w.request("POST", "/live/", "hi"); answer.StatusCode != 200 {
			t.Fatal(answer.Status)
		}
		for _, s := range []*socket{hall, bare} {
			if ev := s.next(); ev.Op != frame.Text || string(ev.Payload) != "hi" {
				t.Errorf("got %v %q", ev.Op, ev.Payload)
			}
		}
		if got := events.block(); got != "data: hi" {
			t.Errorf("the stream has %q", got)
		}
		if status := w.upgrade("/channels/hall"); status != http.StatusNotFound {
			t.Errorf("a socket at the root: %d", status)
		}
		if answer := w.request("POST", "/", "hi"); code(answer) != maru.CodeNotFound {
			t.Errorf("published at the root: %s", answer.Status)
		}
		answer := w.request("POST", "/live/session", `{"nickname":"kim"}`)
		cookies := answer.Cookies()
		if answer.StatusCode != http.StatusCreated || len(cookies) != 1 || cookies[0].Path != "/live" {
			t.Errorf("signed in: %s, cookies %v", answer.Status, cookies)
		}
		events.body.Close()
	})
}

func TestBadBasePath(t *testing.T) {
	t.Parallel()
	for base, valid := range map[string]bool{
		"": true, "/": true, "/live": true, "/live/": true, "/a/B-1._~": true,
		"live": false, "live/now": false, "//": false, "/live//now": false, "//example.com": false, "/a/../b": false, "/.": false,
		"/a b": false, "/a%20b": false, "/마루": false, "/live?x": false, "/live#x": false, "http://example.com/live": false,
	} {
		live, err := server.New(server.Options{BasePath: base})
		if (err == nil) != valid {
			t.Errorf("%q: %v", base, err)
		}
		if err == nil {
			live.Shutdown(t.Context())
		}
	}
}
