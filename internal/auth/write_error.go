package auth

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"maru.example/maru"
)

// WriteError answers a request with the public part of err:
//
//	{"error":{"code":"not_allowed","message":"…"}}
//
// The status is that of its code, and the answer is never cached. It has a Retry-After, unless the
// caller has set one, if a later attempt may succeed. An error that is not a
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
	switch status := e.Code.Status(); {
	case status == http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`) // RFC 9110 §11.6.1, RFC 6750 §3
	case w.Header().Get("Retry-After") != "":
	case e.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.RetryAfter.Seconds()))))
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "5")
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, e.Code.Status(), struct {
		Error public `json:"error"`
	}{public{e.Code, e.Message}})
}

// ErrOverloaded is the error for newcomers while memory is short.
var ErrOverloaded = maru.NewError(maru.CodeOverloaded, "the server has reached its memory ceiling (--max-memory): try again later")

// writeJSON answers with v, whose encoding cannot fail.
func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Del("Content-Length") // of an abandoned answer
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // fails only if the connection is lost: nobody is left to report it to
}
