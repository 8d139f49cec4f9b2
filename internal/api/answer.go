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
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/handshake"
)

// fail answers with err. What is the server's fault is logged in full; a client
// that went away hears nothing and is no fault.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case handshake.IsUpgrade(r):
		a.admission.Refuse(w, r, err)
		return
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
	case maru.ErrorOf(err).Code == maru.CodeInternal:
		a.admission.Log.LogAttrs(r.Context(), slog.LevelError, "request failed",
			slog.String("method", r.Method), slog.String("path", r.URL.Path), slog.Any("err", err))
	}
	admission.WriteError(w, r, err)
}

// allow reports whether the request's method is one of these, and otherwise has
// answered: 204 to OPTIONS, 405 to the others, either with Allow.
func allow(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	w.Header().Set("Allow", strings.Join(append(methods, http.MethodOptions), ", "))
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
	} else {
		admission.WriteError(w, r, maru.NewError(maru.CodeMethodNotAllowed, "this address does not take "+r.Method))
	}
	return false
}

// writeJSON answers 200 with one line of JSON.
func writeJSON(w http.ResponseWriter, body []byte) {
	headerJSON(w)
	w.Write(append(body, '\n'))
}

func headerJSON(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
}

// marshal is json.Marshal that leaves <, > and & as they are. v is one of our
// own types, which cannot fail.
func marshal(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
