package api

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/request"
)

const channelsPrefix = "/channels/"

// ServeHTTP routes by the escaped path.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := escapedPath(r.URL)
	switch {
	case path == "/" || path == "" && r.Method != http.MethodConnect:
		a.serveChannel(w, r, maru.Hall, func(w http.ResponseWriter, r *http.Request, _ string) {
			a.Pages.Hall(w, r)
		})
	case strings.HasPrefix(path, channelsPrefix):
		a.serveUnderChannels(w, r, path[len(channelsPrefix):])
	case path == "/quotes":
		if allow(w, r, http.MethodGet, http.MethodHead) {
			a.Pages.Quotes(w, r)
		}
	case path == "/session":
		a.admission.Authenticator.ServeSession(w, r)
	case path == "/tickets":
		a.admission.Authenticator.ServeTickets(w, r)
	case path == "/admin/disconnect":
		auth.NewAdminAPI(a.admission.Authenticator).ServeDisconnect(w, r)
	case path == "/admin/unsubscribe":
		auth.NewAdminAPI(a.admission.Authenticator).ServeUnsubscribe(w, r)
	case path == "/admin/revoke":
		auth.NewAdminAPI(a.admission.Authenticator).ServeRevoke(w, r)
	case path == "/admin/backup":
		a.serveBackup(w, r)
	case path == "/admin/cluster":
		a.serveCluster(w, r)
	case path == "/admin/cluster/remove":
		a.serveRemove(w, r)
	case strings.HasPrefix(path, "/assets/"):
		a.Pages.Assets().ServeHTTP(w, r)
	case path == "/metrics":
		if allow(w, r, http.MethodGet, http.MethodHead) {
			a.Metrics.ServeHTTP(w, r)
		}
	case path == "/healthz":
		a.serveOK(w, r, nil)
	case path == "/readyz":
		a.serveOK(w, r, a.Ready())
	default:
		a.serveGateway(w, r, path)
	}
}

// serveGateway answers the gateways' own addresses.
func (a *API) serveGateway(w http.ResponseWriter, r *http.Request, path string) {
	for i := range a.Routes {
		if route := &a.Routes[i]; route.Matches(path, r) {
			route.Serve(w, r, "")
			return
		}
	}
	a.fail(w, r, errNotFound)
}

// serveOK answers health checks: ok, or the error.
func (a *API) serveOK(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case !allow(w, r, http.MethodGet, http.MethodHead):
	case err != nil:
		a.fail(w, r, err)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusOK)
		io.WriteString(w, "ok\n")
	}
}

var errNotFound = maru.NewError(maru.CodeNotFound, "no such address: see docs/contract.md §1")

// serveUnderChannels answers NAME and NAME/presence.
func (a *API) serveUnderChannels(w http.ResponseWriter, r *http.Request, rest string) {
	segment, deeper, isDeeper := strings.Cut(rest, "/")
	if isDeeper && deeper != "presence" {
		a.fail(w, r, errNotFound)
		return
	}
	name, err := maru.ParseChannel(segment)
	if err == nil && maru.Reserved(name) {
		err = maru.NewError(maru.CodeNotAllowed, "channels whose names begin with $ are reserved for the server")
	}
	switch {
	case err != nil:
		a.fail(w, r, err)
	case isDeeper:
		a.servePresence(w, r, name)
	default:
		a.serveChannel(w, r, name, a.Pages.Channel)
	}
}

// serveChannel answers a channel's address.
func (a *API) serveChannel(w http.ResponseWriter, r *http.Request, name string, page ChannelHandler) {
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && !handshake.IsUpgrade(r) {
		w.Header().Add("Vary", "Accept")
	}
	for i := range a.Routes {
		if route := &a.Routes[i]; route.Channel && route.Wants(r) {
			route.Serve(w, r, name)
			return
		}
	}
	if !allow(w, r, http.MethodGet, http.MethodHead, http.MethodPost) {
		return
	}
	if r.Method == http.MethodPost {
		a.servePublish(w, r, name)
		return
	}
	if request.Accepts(r.Header["Accept"], "text/html") {
		page(w, r, name)
	} else {
		a.serveHistory(w, r, name)
	}
}

// escapedPath returns the path as the client escaped it. URL.EscapedPath does not always: if
// RawPath has a byte that should have been escaped, it escapes the decoded path again, and %2F
// has become a slash.
func escapedPath(u *url.URL) string {
	if u.RawPath != "" {
		if path, err := url.PathUnescape(u.RawPath); err == nil && path == u.Path {
			return u.RawPath
		}
	}
	return u.EscapedPath()
}
