package api

import (
	"net/http"

	"maru.example/maru/internal/auth"
)

// servePresence answers who is subscribed, once or as a stream.
// Errors: 403 not_allowed.
func (a *API) servePresence(w http.ResponseWriter, r *http.Request, channel string) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	w.Header().Add("Vary", "Accept")
	if accepts(r.Header["Accept"]).events {
		a.PresenceEvents(w, r, channel)
		return
	}
	if _, err := a.Door.Allow(r, channel, auth.Presence); err != nil {
		a.Door.Refuse(w, r, err)
		return
	}
	writeJSON(w, marshal(a.Hub.Presence(channel)))
}
