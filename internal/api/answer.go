package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/handshake"
)

// fail answers with err. Faults of the server are logged in full, and refusals with the person. A client that has
// disconnected gets no answer, and is not a fault.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case handshake.IsUpgrade(r):
		a.admission.Refuse(w, r, err)
		return
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
	case maru.ErrorOf(err).Code == maru.CodeInternal:
		a.admission.Log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err))
	default:
		a.admission.LogRefused(r, err)
	}
	auth.WriteError(w, r, err)
}

// allow reports whether the request's method is one of these. Otherwise it answers: 204 to
// OPTIONS, 405 to the others, both with Allow.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
	} else {
		auth.WriteError(w, r, maru.NewError(maru.CodeMethodNotAllowed, "the method "+r.Method+" is not allowed here; the Allow header lists those that are"))
	}
	return false
}

// writeJSON answers 200 with one line of JSON.
func writeJSON(w http.ResponseWriter, body []byte) {
	beginJSON(w)
	w.Write(append(body, '\n'))
}

// beginJSON writes the header of a 200. All answers of this server name their status, also 200: a
// framework may have set another one before it found that it has no route (gin's NoRoute).
func beginJSON(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusOK)
}

// marshal is json.Marshal without escaping <, > and &. v is one of this module's types, which
// cannot fail.
func marshal(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
