package server

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// RedirectHTTP returns a handler for a port of plain HTTP. It redirects every request with 308 to
// the same address at the server's port of https; 443, which 0 means too, is not written. Where the port of plain HTTP
// is not 80 and the client names no port, another program has mapped 80 to it, and so 443 to that
// of https.
func RedirectHTTP(port int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, given, err := net.SplitHostPort(r.Host)
		if err != nil {
			host, given = strings.Trim(r.Host, "[]"), ""
		}
		target := r.URL.RequestURI()
		if host == "" || !strings.HasPrefix(target, "/") {
			auth.WriteError(w, r, maru.NewError(maru.CodeBadRequest, "this port only redirects to https, which needs a Host and a path"))
			return
		}
		mapped := given == "" && localPort(r) != 80
		switch {
		case port != 443 && port != 0 && !mapped:
			host = net.JoinHostPort(host, strconv.Itoa(port))
		case strings.Contains(host, ":"):
			host = "[" + host + "]"
		}
		w.Header().Set("Location", "https://"+host+target)
		w.WriteHeader(http.StatusPermanentRedirect)
	})
}

// localPort is the port at which a request came; 0 for none.
func localPort(r *http.Request) int {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return addr.Port
	}
	return 0
}
