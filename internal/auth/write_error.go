package auth

import (
	"encoding/json"
	"net/http"

	"maru.example/maru"
)

// WriteError answers a request with err as a client may see it:
//
//	{"error":{"code":"not_allowed","message":"…"}}
//
// under the status of its code, never cached. An error that is no *maru.Error
// is answered as "internal error"; logging it is the caller's. Headers that go
// with the code, like Allow, are set before.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	type told struct {
		Code    maru.Code `json:"code"`
		Message string    `json:"message"`
	}
	e := maru.ErrorOf(err)
	CallerFrom(r.Context()).refusals.Count(e.Code)
	w.Header().Set("Cache-Control", "no-store")
	if e.Code.Status() == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 9110 §11.6.1, RFC 6750 §3
	}
	writeJSON(w, e.Code.Status(), struct {
		Error told `json:"error"`
	}{told{e.Code, e.Message}})
}

// writeJSON answers with v, whose encoding cannot fail.
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Del("Content-Length") // of an answer that was given up
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // fails only with the connection, which nobody can tell it to
}
