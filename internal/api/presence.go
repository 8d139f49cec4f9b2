package api

import "net/http"

// servePresence answers who is subscribed, once or as a stream.
func (a *API) servePresence(w http.ResponseWriter, r *http.Request, channel string) {
	if !allow(w, r, http.MethodGet, http.MethodHead) {
		return
	}
	w.Header().Add("Vary", "Accept")
	if accepts(r.Header["Accept"]).events {
		a.PresenceEvents(w, r, channel)
		return
	}
	writeJSON(w, marshal(a.Hub.Presence(channel)))
}
