package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
)

// ways are requests of a page, one for each way into a server, with the status of a success.
var ways = map[string]struct {
	method, path, body string
	headers            []string
	status             int
}{
	"page":         {"GET", "/channels/a", "", []string{"Accept: text/html"}, 200},
	"file":         {"GET", "/assets/maru.js", "", nil, 200},
	"history":      {"GET", "/channels/a", "", nil, 200},
	"poll":         {"GET", "/channels/a?wait=1ms", "", nil, 200},
	"stream":       {"GET", "/channels/a", "", []string{"Accept: text/event-stream"}, 200},
	"presence":     {"GET", "/channels/a/presence", "", nil, 200},
	"publication":  {"POST", "/channels/a", "x", nil, 200},
	"session":      {"GET", "/session", "", nil, 200},
	"sign-in":      {"POST", "/session", `{"nickname":"kim"}`, nil, 201},
	"no address":   {"GET", "/nothing", "", nil, 404},
	"no method":    {"PUT", "/channels/a", "", nil, 405},
	"bad position": {"GET", "/channels/a?since=:", "", nil, 400},
}

// Issue 15 §11: with --cookie-same-site none browsers send the session's cookie from every site.
// The check of Origin is what keeps other sites out, in every way in; a listed one can read the
// answers, with all their headers.
func TestOriginsWithCookiesOfOtherSites(t *testing.T) {
	t.Parallel()
	for _, listed := range []string{"https://embed.example", "file://", "app://.", "capacitor://localhost"} {
		t.Run(listed, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, server.Options{TLSConfig: certified(), Origins: []string{listed}, CookieSameSite: http.SameSiteNoneMode})
			cookies := w.request("POST", "/session", `{"nickname":"kim"}`, "Origin: "+listed).Cookies()
			if len(cookies) != 1 || cookies[0].SameSite != http.SameSiteNoneMode || !cookies[0].Secure {
				t.Fatalf("sign-in sets %v", cookies)
			}
			cookie := "Cookie: maru_session=" + cookies[0].Value
			for _, foreign := range []string{"https://evil.example", "null", "http://embed.example", "file://x", "app://evil"} {
				for name, way := range ways {
					answer := w.request(way.method, way.path, way.body, append(way.headers, cookie, "Origin: "+foreign, "Sec-Fetch-Site: cross-site")...)
					if answer.StatusCode != 403 || code(answer) != maru.CodeNotAllowed || answer.Header.Get("Access-Control-Allow-Origin") != "" {
						t.Errorf("%s from %s: %s, %v", name, foreign, answer.Status, answer.Header)
					}
				}
				if status := w.upgrade("/channels/a", cookie, "Origin: "+foreign); status != 403 {
					t.Errorf("WebSocket from %s: %d", foreign, status)
				}
			}
			for name, way := range ways {
				answer := w.request(way.method, way.path, way.body, append(way.headers, cookie, "Origin: "+listed, "Sec-Fetch-Site: cross-site")...)
				h := answer.Header
				if answer.StatusCode != way.status || h.Get("Access-Control-Allow-Origin") != listed || h.Get("Access-Control-Allow-Credentials") != "true" ||
					!strings.Contains(h.Get("Access-Control-Expose-Headers"), "Retry-After") {
					t.Errorf("%s: %s, %v", name, answer.Status, h)
				}
			}
			if status := w.upgrade("/channels/a", cookie, "Origin: "+listed); status != 101 {
				t.Errorf("WebSocket: %d", status)
			}
		})
	}
}

// Issue 15 §11: a page of another origin may send the headers that tracing tools and libraries
// add to its requests, and those that the operator lists, to every address.
func TestPreflights(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Origins: []string{"https://embed.example"}, CORSHeaders: []string{"X-CSRF-Token"}})
	for _, path := range []string{"/", "/channels/a", "/channels/a/presence", "/session", "/tickets", "/admin/disconnect", "/assets/maru.js"} {
		answer := w.request("OPTIONS", path, "", "Origin: https://embed.example", "Access-Control-Request-Method: POST",
			"Access-Control-Request-Headers: baggage,cache-control,content-type,sentry-trace,traceparent,tracestate,x-csrf-token,x-requested-with")
		allowed := strings.Split(strings.ToLower(answer.Header.Get("Access-Control-Allow-Headers")), ", ")
		for _, name := range []string{"baggage", "cache-control", "content-type", "sentry-trace", "traceparent", "tracestate", "x-csrf-token", "x-requested-with"} {
			if !slices.Contains(allowed, name) {
				t.Errorf("%s: %s does not allow %s", path, answer.Status, name)
			}
		}
	}
}
