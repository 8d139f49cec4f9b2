package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// serve sends the request through the filter. reached reports whether it passed, and caller
// is its Caller then.
func serve(g *auth.RequestFilter, r *http.Request) (w *httptest.ResponseRecorder, caller auth.Caller, reached bool) {
	w = httptest.NewRecorder()
	g.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, reached = auth.CallerFrom(r.Context()), true
		w.WriteHeader(http.StatusTeapot)
	})).ServeHTTP(w, r)
	return w, caller, reached
}

// wantError checks that the answer is the JSON error of this code.
func wantError(t *testing.T, res *http.Response, want maru.Code) {
	t.Helper()
	var body struct {
		Error struct {
			Code    maru.Code
			Message string
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatalf("the error is not JSON: %v", err)
	}
	if body.Error.Code != want || body.Error.Message == "" || res.StatusCode != want.Status() {
		t.Errorf("got %d %+v, want %d %s", res.StatusCode, body.Error, want.Status(), want)
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
	if got := res.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
}

func TestHandlerAnswersAndLogsRefusals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]check{
		"foreign origin": {header: from("https://evil.example"), code: maru.CodeNotAllowed},
		"rebinding":      {policy: auth.Policy{Loopback: true}, host: "evil.example", code: maru.CodeWrongHost},
		"null":           {header: from("null"), code: maru.CodeNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			c.policy.Log = slog.New(slog.NewJSONHandler(&log, nil))
			r := c.request()
			r.URL = &url.URL{Path: "/channels/x", RawQuery: "ticket=hidden"}
			w, _, reached := serve(newFilter(t, c.policy), r)
			if reached {
				t.Error("it reached the next handler")
			}
			wantError(t, w.Result(), c.code)
			if got := w.Result().Header.Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("Access-Control-Allow-Origin is %q", got)
			}
			var line struct{ Level, Msg, Code, Reason, Addr, Method, Path string }
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatalf("not one line in the log: %v: %s", err, &log)
			}
			if line.Level != "WARN" || line.Code != string(c.code) || line.Reason == "" ||
				line.Addr != "203.0.113.9" || line.Method != "GET" || line.Path != "/channels/x" {
				t.Errorf("the log says %+v", line)
			}
			if strings.Contains(log.String(), "hidden") {
				t.Error("the log has the query")
			}
		})
	}
}

func TestHandlerPassesCaller(t *testing.T) {
	t.Parallel()
	c := check{policy: auth.Policy{Origins: []string{"https://example.org"}, TrustedProxies: prefixes("203.0.113.9/32")},
		header: http.Header{"Origin": {"https://example.org"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"198.51.100.1"}}}
	_, got, reached := serve(newFilter(t, c.policy), c.request())
	if !reached || got.Addr.String() != "198.51.100.1" || !got.Secure || got.Origin != "https://example.org" || !got.CrossOrigin {
		t.Errorf("got %+v, reached %v", got, reached)
	}
	if got := auth.CallerFrom(context.Background()); got != (auth.Caller{}) {
		t.Errorf("without the handler: %+v", got)
	}
}

// Sockets need the connection's own ResponseWriter, which can be hijacked.
func TestHandlerDoesNotWrapTheWriter(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	newFilter(t, auth.Policy{}).Handler(http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		if got != http.ResponseWriter(w) {
			t.Errorf("got a %T", got)
		}
	})).ServeHTTP(w, check{}.request())
}

func TestHandlerCORS(t *testing.T) {
	t.Parallel()
	local := auth.Policy{Open: true, Loopback: true}
	type want struct{ origin, credentials, expose string }
	none, full := want{}, func(origin string) want { return want{origin, "true", "Idempotent-Replay, Stale-Version, Retry-After"} }
	for name, c := range map[string]struct {
		check
		want
	}{
		"no origin":  {check{}, none},
		"own origin": {check{header: from("http://example.com:3000")}, none},
		"listed": {check{policy: auth.Policy{Origins: []string{"https://example.org"}}, header: from("https://example.org")},
			full("https://example.org")},
		"listed, echoed as it came": {check{policy: auth.Policy{Origins: []string{"https://example.org"}}, header: from("https://EXAMPLE.org:443")},
			full("https://EXAMPLE.org:443")},
		"listed null": {check{policy: auth.Policy{Origins: []string{"null"}}, header: from("null")}, full("null")},
		"loopback":    {check{policy: local, host: "localhost:3000", header: from("http://localhost:5173")}, full("http://localhost:5173")},
		"null in open mode reads, but without cookies": {check{policy: local, host: "localhost:3000", header: from("null")},
			want{origin: "null", expose: "Idempotent-Replay, Stale-Version, Retry-After"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _, reached := serve(newFilter(t, c.policy), c.request())
			h := w.Result().Header
			got := want{h.Get("Access-Control-Allow-Origin"), h.Get("Access-Control-Allow-Credentials"), h.Get("Access-Control-Expose-Headers")}
			if !reached || got != c.want {
				t.Errorf("got %+v, want %+v, reached %v", got, c.want, reached)
			}
			if h.Get("Vary") != "Origin" {
				t.Errorf("Vary is %q", h.Get("Vary"))
			}
		})
	}
}

func TestHandlerPreflight(t *testing.T) {
	t.Parallel()
	preflight := func(origin string) http.Header {
		return http.Header{"Origin": {origin}, "Access-Control-Request-Method": {"POST"},
			"Access-Control-Request-Headers": {"content-type,idempotency-key"}, "Sec-Fetch-Site": {"cross-site"}}
	}
	listed := auth.Policy{Origins: []string{"https://example.org"}}
	ask := func(c check) (*httptest.ResponseRecorder, bool) {
		r := c.request()
		r.Method = "OPTIONS"
		w, _, reached := serve(newFilter(t, c.policy), r)
		return w, reached
	}
	for name, c := range map[string]check{
		"listed":            {policy: listed, header: preflight("https://example.org")},
		"loopback":          {policy: auth.Policy{Loopback: true}, host: "localhost", header: preflight("http://localhost:5173")},
		"app shell":         {policy: auth.Policy{Origins: []string{"file://"}}, header: preflight("file://")},
		"null in open mode": {policy: auth.Policy{Open: true}, header: preflight("null")},
		"more headers":      {policy: auth.Policy{Origins: listed.Origins, CORSHeaders: []string{"X-CSRF-Token", "x-b3-traceid"}}, header: preflight("https://example.org")},
	} {
		more := ""
		for _, header := range c.policy.CORSHeaders {
			more += ", " + header
		}
		w, reached := ask(c)
		res := w.Result()
		if reached || res.StatusCode != http.StatusNoContent || w.Body.Len() > 0 {
			t.Errorf("%s: status %d, reached %v", name, res.StatusCode, reached)
		}
		for header, want := range map[string]string{
			"Access-Control-Allow-Origin":  c.header["Origin"][0],
			"Access-Control-Allow-Methods": "GET, POST, DELETE",
			"Access-Control-Allow-Headers": "Content-Type, Idempotency-Key, Last-Event-ID, Authorization, Cache-Control, X-Requested-With, Traceparent, Tracestate, Baggage, Sentry-Trace" + more,
			"Access-Control-Max-Age":       "600",
			"Vary":                         "Origin",
		} {
			if got := res.Header.Get(header); got != want {
				t.Errorf("%s: %s is %q, want %q", name, header, got, want)
			}
		}
	}
	w, reached := ask(check{policy: listed, header: preflight("https://evil.example")})
	if reached {
		t.Error("a foreign preflight reached the next handler")
	}
	wantError(t, w.Result(), maru.CodeNotAllowed)

	for name, c := range map[string]check{
		"OPTIONS that is no preflight": {policy: listed, header: from("https://example.org")},
		"OPTIONS without origin":       {policy: listed},
	} {
		if _, reached := ask(c); !reached {
			t.Errorf("%s: did not reach the next handler", name)
		}
	}
}

func TestHandlerCrossOriginProtection(t *testing.T) {
	t.Parallel()
	local := auth.Policy{Open: true, Loopback: true}
	listed := auth.Policy{Origins: []string{"https://example.org", "null"}}
	site := func(site, origin string) http.Header {
		h := http.Header{}
		if site != "" {
			h["Sec-Fetch-Site"] = []string{site}
		}
		if origin != "" {
			h["Origin"] = []string{origin}
		}
		return h
	}
	const own = "http://example.com:3000"
	for name, c := range map[string]check{
		"no browser":                          {},
		"same origin":                         {header: site("same-origin", own)},
		"same origin without Origin":          {header: site("same-origin", "")},
		"typed by the user":                   {header: site("none", "")},
		"old browser, same origin":            {header: site("", own)},
		"old browser, other spelling":         {host: "EXAMPLE.com:80", header: site("", "http://example.com")},
		"other site without Origin":           {header: site("cross-site", ""), code: refused},
		"sibling without Origin":              {header: site("same-site", ""), code: refused},
		"unknown word":                        {header: site("new-word", ""), code: refused},
		"other site that claims our origin":   {header: site("cross-site", own), code: refused},
		"sibling that claims our origin":      {header: site("same-site", own), code: refused},
		"other site":                          {header: site("cross-site", "https://evil.example"), code: refused},
		"old browser, other site":             {header: site("", "https://evil.example"), code: refused},
		"other site that claims same-origin":  {header: site("same-origin", "https://evil.example"), code: refused},
		"listed":                              {policy: listed, header: site("cross-site", "https://example.org")},
		"listed sibling":                      {policy: listed, header: site("same-site", "https://example.org")},
		"listed, other spelling":              {policy: listed, header: site("cross-site", "https://EXAMPLE.org:443")},
		"listed, old browser":                 {policy: listed, header: site("", "https://example.org")},
		"listed null":                         {policy: listed, header: site("cross-site", "null")},
		"unlisted beside listed":              {policy: listed, header: site("cross-site", "https://evil.example"), code: refused},
		"loopback to loopback":                {policy: local, host: "localhost:3000", header: site("same-site", "http://localhost:5173")},
		"loopback to loopback, other name":    {policy: local, host: "localhost:3000", header: site("cross-site", "http://127.0.0.1:3000")},
		"loopback to loopback, old browser":   {policy: local, host: "localhost:3000", header: site("", "http://127.0.0.1:3000")},
		"null in open mode":                   {policy: local, host: "localhost:3000", header: site("cross-site", "null")},
		"null in open mode, old browser":      {policy: local, host: "localhost:3000", header: site("", "null")},
		"null outside open mode":              {header: site("cross-site", "null"), code: refused},
		"other site on loopback, no Origin":   {policy: local, host: "localhost:3000", header: site("cross-site", ""), code: refused},
		"page over TLS through trusted proxy": {policy: proxied, host: "example.com", remote: "127.0.0.1:9", header: http.Header{"Origin": {"https://example.com"}, "X-Forwarded-Proto": {"https"}, "Sec-Fetch-Site": {"same-origin"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newFilter(t, c.policy)
			for _, method := range []string{"POST", "DELETE", "PUT", "PATCH"} {
				r := c.request()
				r.Method = method
				w, _, reached := serve(g, r)
				if reached != (c.code == "") {
					t.Fatalf("%s: reached is %v: %s", method, reached, w.Body)
				}
				if c.code != "" {
					wantError(t, w.Result(), c.code)
				}
			}
			// Requests that change nothing pass if Check passes.
			for _, method := range []string{"GET", "HEAD"} {
				r := c.request()
				r.Method = method
				_, err := g.Check(r)
				if _, _, reached := serve(g, r); reached != (err == nil) {
					t.Errorf("%s: reached is %v, Check says %v", method, reached, err)
				}
			}
		})
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	secret := errors.New("dial 10.0.0.1: secret")
	for name, c := range map[string]struct {
		err  error
		want maru.Code
	}{
		"of a code":   {maru.NewError(maru.CodeTaken, "held"), maru.CodeTaken},
		"wrapped":     {errors.Join(secret, maru.NewError(maru.CodeTooLarge, "big")), maru.CodeTooLarge},
		"of no code":  {secret, maru.CodeInternal},
		"with quotes": {maru.NewError(maru.CodeBadRequest, "\"<\n"), maru.CodeBadRequest},
	} {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Length", "3")
		w.Header().Set("Allow", "GET")
		auth.WriteError(w, httptest.NewRequest("GET", "/", nil), c.err)
		if strings.Contains(w.Body.String(), "secret") {
			t.Errorf("%s: answered %s", name, w.Body)
		}
		if w.Header().Get("Content-Length") != "" || w.Header().Get("Allow") != "GET" {
			t.Errorf("%s: headers are %v", name, w.Header())
		}
		wantError(t, w.Result(), c.want)
	}
}

// Each error in an answer is counted once, on every path.
func TestRefusals(t *testing.T) {
	t.Parallel()
	refusals := auth.NewRefusals()
	filter, err := auth.NewRequestFilter(auth.Policy{Refusals: refusals})
	if err != nil {
		t.Fatal(err)
	}
	handler := filter.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth.WriteError(w, r, maru.NewError(maru.Code(r.URL.RawQuery), ""))
	}))
	for _, said := range []string{"slow", "slow", "a_word_of_a_program"} {
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/?"+said, nil))
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Origin", "https://evil.example")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	for _, code := range maru.Codes() {
		want := map[maru.Code]uint64{maru.CodeSlow: 2, maru.CodeInternal: 1, maru.CodeNotAllowed: 1}[code]
		if got := refusals.Of(code); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
	}
}
