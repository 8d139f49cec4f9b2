package auth

import "net/http"

// The methods and headers for pages of other origins (Fetch, "HTTP extensions").
const (
	corsMethods = "GET, POST, DELETE"
	corsHeaders = "Content-Type, Idempotency-Key, Last-Event-ID, Authorization"
	corsExposed = "Idempotent-Replay, Stale-Version"
	corsMaxAge  = "600" // seconds for which a browser remembers a preflight, and for which a removed origin may still try
)

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

func answerPreflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsHeaders)
	h.Set("Access-Control-Max-Age", corsMaxAge)
	w.WriteHeader(http.StatusNoContent)
}
