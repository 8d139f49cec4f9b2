package gateway

import (
	"fmt"
	"log/slog"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

var errNoStreaming = maru.NewError(maru.CodeInternal,
	"streaming unsupported: a middleware or framework around this server keeps the response until it is complete; serve the address without it")

// Unsupported answers 500 to a request for a stream whose response does not reach the client while
// it lasts. For EventSource that is final, since somebody must act.
func (e *Endpoint) Unsupported(w http.ResponseWriter, r *http.Request) {
	e.warnWriter(w, r, errNoStreaming)
	auth.WriteError(w, r, errNoStreaming)
}

// warnWriter logs that the embedding program's writer cannot do what a live connection needs.
func (e *Endpoint) warnWriter(w http.ResponseWriter, r *http.Request, err error) {
	e.Admission.Log.LogAttrs(r.Context(), slog.LevelWarn, "this http.ResponseWriter serves no live connections: give it a method Unwrap, or mount the server without the middleware",
		slog.String("transport", e.transport.Name()), slog.String("path", r.URL.Path), slog.String("writer", fmt.Sprintf("%T", w)), slog.Any("err", err))
}

// WarnCut logs that the http.Server of the embedding program will cut a stream, because the writer
// hides its deadlines.
func (e *Endpoint) WarnCut(w http.ResponseWriter, r *http.Request) {
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && s.WriteTimeout > 0 {
		e.Admission.Log.LogAttrs(r.Context(), slog.LevelWarn, "http.Server.WriteTimeout will cut this stream: the http.ResponseWriter hides SetWriteDeadline; give it a method Unwrap",
			slog.String("transport", e.transport.Name()), slog.String("path", r.URL.Path), slog.String("writer", fmt.Sprintf("%T", w)), slog.Float64("seconds", s.WriteTimeout.Seconds()))
	}
}
