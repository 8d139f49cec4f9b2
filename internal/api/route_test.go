package api_test

import (
	"strings"
	"testing"

	"maru.example/maru"
)

const browser = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

func TestRoutes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 255)
	tests := []struct {
		request string // method, target, and headers after |
		status  int
		want    string // the body, as far as it is given
		code    maru.Code
		allow   string
	}{
		{request: "GET /", status: 200, want: `{"channel":"hall",`},
		{request: "HEAD /", status: 200},
		{request: "GET /|" + browser, status: 200, want: "page hall"},
		{request: "GET /|Accept: text/event-stream", status: 200, want: "events hall"},
		{request: "GET /|Upgrade: websocket", status: 200, want: "socket hall"},
		{request: "PUT /|Upgrade: websocket", status: 200, want: "socket hall"}, // refuses by itself
		{request: "POST /", status: 200, want: `{"channel":"hall",`},
		{request: "OPTIONS /", status: 204, allow: "GET, HEAD, POST, OPTIONS"},
		{request: "PUT /", status: 405, code: maru.CodeMethodNotAllowed, allow: "GET, HEAD, POST, OPTIONS"},

		{request: "GET /channels/a", status: 200, want: `{"channel":"a",`},
		{request: "GET /channels/a|" + browser, status: 200, want: "page channel a"},
		{request: "GET /channels/hall|" + browser, status: 200, want: "page channel hall"},
		{request: "GET /channels/%68all", status: 200, want: `{"channel":"hall",`},
		{request: "GET /channels/%2568all", status: 200, want: `{"channel":"%68all",`},
		{request: "GET /channels/ns:a%20b", status: 200, want: `{"channel":"ns:a b",`},
		{request: "GET /channels/%EB%A7%88%EB%A3%A8", status: 200, want: `{"channel":"마루",`},
		{request: "GET /channels/a+b", status: 200, want: `{"channel":"a+b",`},
		{request: "GET /channels/" + long, status: 200, want: `{"channel":"aaa`},
		{request: "DELETE /channels/a", status: 405, code: maru.CodeMethodNotAllowed, allow: "GET, HEAD, POST, OPTIONS"},

		{request: "GET /channels/", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/" + long + "a", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/.", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/..", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/%2e%2E", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/a%2Fb", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/a^%2Fb", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/a%5Cb", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/a%00", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/a%FF", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/:a", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels/a%2Fb|Upgrade: websocket", status: 400, code: maru.CodeBadChannel},
		{request: "GET /channels//presence", status: 400, code: maru.CodeBadChannel},

		{request: "GET /channels/$a", status: 403, code: maru.CodeNotAllowed},
		{request: "GET /channels/%24a", status: 403, code: maru.CodeNotAllowed},
		{request: "GET /channels/$a|" + browser, status: 403, code: maru.CodeNotAllowed},
		{request: "GET /channels/$a|Accept: text/event-stream", status: 403, code: maru.CodeNotAllowed},
		{request: "GET /channels/$a|Upgrade: websocket", status: 403, code: maru.CodeNotAllowed},
		{request: "POST /channels/$a", status: 403, code: maru.CodeNotAllowed},
		{request: "GET /channels/$a/presence", status: 403, code: maru.CodeNotAllowed},

		{request: "GET /channels/a/presence", status: 200, want: `{"channel":"a","version":`},
		{request: "GET /channels/a/presence|Accept: text/event-stream", status: 200, want: "presence events a"},
		{request: "POST /channels/a/presence", status: 405, code: maru.CodeMethodNotAllowed, allow: "GET, HEAD, OPTIONS"},

		{request: "GET /quotes", status: 200, want: "page quotes"},
		{request: "POST /quotes", status: 405, code: maru.CodeMethodNotAllowed, allow: "GET, HEAD, OPTIONS"},
		{request: "GET /session", status: 404, code: maru.CodeNotSignedIn},
		{request: "GET /assets/a.js", status: 200, want: "asset /assets/a.js"},
		{request: "GET /healthz", status: 200, want: "ok\n"},
		{request: "GET /metrics", status: 200, want: "metrics"},
		{request: "POST /metrics", status: 405, code: maru.CodeMethodNotAllowed, allow: "GET, HEAD, OPTIONS"},
		{request: "GET /readyz", status: 200, want: "ok\n"},
		{request: "POST /readyz", status: 405, code: maru.CodeMethodNotAllowed, allow: "GET, HEAD, OPTIONS"},

		{request: "GET /channels", status: 404, code: maru.CodeNotFound},
		{request: "GET /channels/a/", status: 404, code: maru.CodeNotFound},
		{request: "GET /channels/a/presence/", status: 404, code: maru.CodeNotFound},
		{request: "GET /channels/a/b", status: 404, code: maru.CodeNotFound},
		{request: "GET //channels/a", status: 404, code: maru.CodeNotFound},
		{request: "GET /nothing", status: 404, code: maru.CodeNotFound},
		{request: "GET /nothing|Upgrade: websocket", status: 404, code: maru.CodeNotFound},
		{request: "GET /session/", status: 404, code: maru.CodeNotFound},
	}
	for _, tt := range tests {
		request, header, _ := strings.Cut(tt.request, "|")
		method, target, _ := strings.Cut(request, " ")
		answer := newWorld(t, 0).request(method, target, "", header)
		if answer.Code != tt.status || code(answer) != tt.code || !strings.HasPrefix(answer.Body.String(), tt.want) {
			t.Errorf("%s: %d %s", tt.request, answer.Code, answer.Body)
		}
		if allow := answer.Header().Get("Allow"); allow != tt.allow {
			t.Errorf("%s: Allow: %s, want %s", tt.request, allow, tt.allow)
		}
	}
}

// A server that is not ready is still healthy.
func TestNotReady(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.ready = maru.NewError(maru.CodeShuttingDown, "going")
	if answer := w.request("GET", "/readyz", ""); answer.Code != 503 || code(answer) != maru.CodeShuttingDown {
		t.Errorf("/readyz: %d %s", answer.Code, answer.Body)
	}
	if answer := w.request("GET", "/healthz", ""); answer.Code != 200 {
		t.Errorf("/healthz: %d %s", answer.Code, answer.Body)
	}
}

func TestAccept(t *testing.T) {
	t.Parallel()
	const history = `{"channel":"a"`
	tests := map[string]string{
		"":                                 history,
		"*/*":                              history,
		"text/*":                           history,
		"application/json":                 history,
		"application/json, text/html":      "page",
		"text/html":                        "page",
		"TEXT/HTML; q=0.1":                 "page",
		"text/html;q=0, application/json":  history,
		"text/html;q=0.000":                history,
		"text/html, text/event-stream;q=0": "page",
		"text/event-stream":                "events",
		"text/html, text/event-stream":     "events",
		"text/event-stream;q=0.1, */*":     "events",
		"text/event-stream; q=0":           history,
		"text/eventstream, ;;, /":          history,
	}
	w := newWorld(t, 0)
	for accept, want := range tests {
		answer := w.request("GET", "/channels/a", "", "Accept: "+accept)
		if !strings.HasPrefix(answer.Body.String(), want) || answer.Header().Get("Vary") != "Accept" {
			t.Errorf("%q: %s, Vary: %s, want %s", accept, answer.Body, answer.Header().Get("Vary"), want)
		}
	}
	if answer := w.request("GET", "/channels/a", "", "Accept: application/json", "Accept: text/event-stream"); answer.Body.String() != "events a" {
		t.Errorf("of two headers the second was not read: %s", answer.Body)
	}
}
