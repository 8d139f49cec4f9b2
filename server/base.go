package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/handshake"
)

// cleanBase returns a base path without a slash at its end; "" for the root. Segments
// consist of unreserved characters (RFC 3986 §2.3), which have one spelling only.
func cleanBase(path string) (string, error) {
	base := strings.TrimSuffix(path, "/")
	if base == "" {
		return "", nil
	}
	for i, segment := range strings.Split(base, "/") {
		if i == 0 && segment != "" || i > 0 && !validSegment(segment) {
			return "", fmt.Errorf(`base-path %q: must begin with "/" and have segments of letters, digits, "-", "." and "_", such as /live`, path)
		}
	}
	return base, nil
}

func validSegment(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= s[i] && s[i] <= '9' || strings.IndexByte("-._~", s[i]) >= 0) {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// under passes requests below base to next, with base removed from their paths. Probes
// and metrics are also answered at the root, where load balancers look for them.
func under(base string, next http.Handler) http.Handler {
	if base == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, found := below(base, r.URL.Path)
		raw, rawFound := below(base, r.URL.RawPath)
		switch {
		case r.URL.Path == "/healthz" || r.URL.Path == "/readyz" || r.URL.Path == "/metrics":
			next.ServeHTTP(w, r)
		case !found || r.URL.RawPath != "" && !rawFound:
			auth.WriteError(w, r, maru.NewError(maru.CodeNotFound, "there is nothing at this address; everything is below "+base+"/"))
		case path == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !handshake.IsUpgrade(r):
			location := url.URL{Path: base + "/", RawQuery: r.URL.RawQuery}
			w.Header().Set("Location", location.String())
			w.WriteHeader(http.StatusPermanentRedirect)
		default:
			inner := new(http.Request)
			*inner = *r
			inner.URL = new(url.URL)
			*inner.URL = *r.URL
			inner.URL.Path, inner.URL.RawPath = cmp.Or(path, "/"), raw
			next.ServeHTTP(w, inner)
		}
	})
}

// below returns the rest of the path below base, which is empty or begins with a slash.
func below(base, path string) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(path, base)
	return rest, ok && (rest == "" || rest[0] == '/')
}
