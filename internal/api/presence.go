package api

import (
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/pieces"
)

// servePresence answers the presence of a channel, as JSON. Errors: 403 not_allowed; 503
// unavailable if the people of other nodes are not known.
func (a *API) servePresence(w http.ResponseWriter, r *http.Request, channel string) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	w.Header().Add("Vary", "Accept")
	for i := range a.Routes {
		if route := &a.Routes[i]; route.Presence && route.Wants(r) {
			route.Serve(w, r, channel)
			return
		}
	}
	_, err := a.admission.Allow(r, channel, auth.Presence)
	var here maru.Presence
	if err == nil {
		here, err = a.hub.AwaitPresence(r.Context(), channel)
	}
	if err != nil {
		a.admission.Refuse(w, r, err)
		return
	}
	writePieces(w, pieces.Presence(here))
}
