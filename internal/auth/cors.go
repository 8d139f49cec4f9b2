package auth

import (
	"fmt"
	"net/http"
	"strings"
)

// The methods and headers for pages of other origins (Fetch, "HTTP extensions").
const (
	corsMethods = "GET, POST, DELETE"
	// corsHeaders are those that maru reads, and those that libraries and tracing tools in
	// pages add to each request: without them the request itself fails.
	corsHeaders = "Content-Type, Idempotency-Key, Last-Event-ID, Authorization, Cache-Control, X-Requested-With, " +
		"Traceparent, Tracestate, Baggage, Sentry-Trace"
	corsExposed = "Idempotent-Replay, Stale-Version, Retry-After"
	corsMaxAge  = "600" // seconds for which a browser remembers a preflight, and for which a removed origin may still try
)

// allowedHeaders is corsHeaders with those of the operator.
func allowedHeaders(more []string) (string, error) {
	all := corsHeaders
	for _, name := range more {
		switch {
		case name == "*":
			return "", fmt.Errorf("cors-header %q: browsers take it for a name where cookies are sent; list each header by itself", name)
		case !isFieldName(name):
			return "", fmt.Errorf("cors-header %s: is not the name of a header; write it like X-CSRF-Token", quote(name))
		}
		all += ", " + name
	}
	return all, nil
}

// isFieldName reports whether s is the name of a header (RFC 9110 §5.1).
func isFieldName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return !('a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", c))
	})
}

// allowCORS lets the caller's page read the answer. Cookies are allowed unless the origin is
// a null that is not listed: that could be any site's sandboxed frame.
func (g *RequestFilter) allowCORS(h http.Header, c Caller) {
	h.Set("Access-Control-Allow-Origin", c.Origin)
	if c.Origin != "null" || g.null {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Expose-Headers", corsExposed)
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

func (g *RequestFilter) answerPreflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", g.corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
}
