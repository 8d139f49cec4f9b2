package auth

import (
	"encoding/json"
	"net/http"

	"maru.example/maru"
)

// WriteError answers a request with the public part of err:
//
//	{"error":{"code":"not_allowed","message":"…"}}
//
// The status is that of its code, and the answer is never cached. An error that is not a
// *maru.Error is answered as "internal error"; the caller logs it. The caller also sets
// headers that belong to the code, such as Allow, before the call.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	type public struct {
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
		Error public `json:"error"`
	}{public{e.Code, e.Message}})
}

// writeJSON answers with v, whose encoding cannot fail.
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Del("Content-Length") // of an abandoned answer
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // fails only if the connection is lost: nobody is left to report it to
}
