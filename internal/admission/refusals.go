package admission

import (
	"errors"
	"log/slog"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// refusal is an error about a known person, for the log. It wraps what the client gets.
type refusal struct {
	user string
	error
}

func (r *refusal) Unwrap() error { return r.error }

// of notes whom an error is about.
func of(who auth.Identity, err error) error {
	if err == nil || who.User == "" {
		return err
	}
	return &refusal{who.User, err}
}

// decides reports whether a code says who may do what, or not now. Others are mistakes in a request,
// which their sender gets anyway.
func decides(code maru.Code) bool {
	switch code.Status() {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusMisdirectedRequest:
		return true
	}
	return false
}

// Refuse answers a request for a live connection with err, and logs the reason. The log leaves
// out the query, which may hold a secret.
func (a *Admission) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	a.logRefused(r, err)
	auth.WriteError(w, r, err)
}

// Refused counts and logs a refusal that the caller answers.
func (a *Admission) Refused(r *http.Request, err error) {
	a.logRefused(r, err)
	auth.CallerFrom(r.Context()).CountRefusal(maru.ErrorOf(err).Code)
}

// LogRefused logs the error of an ordinary request, if it is a decision and not a mistake in the request.
func (a *Admission) LogRefused(r *http.Request, err error) {
	if decides(maru.ErrorOf(err).Code) {
		a.logRefused(r, err)
	}
}

// logRefused logs the reason, unless the Authenticator has done so.
func (a *Admission) logRefused(r *http.Request, err error) {
	var token *auth.TokenError
	if errors.As(err, &token) {
		return
	}
	e := maru.ErrorOf(err)
	level, reason := slog.LevelWarn, e.Message
	if e.Code == maru.CodeInternal {
		level, reason = slog.LevelError, err.Error()
	}
	all := append(make([]slog.Attr, 0, 6), slog.String("code", string(e.Code)), slog.String("reason", reason))
	if addr := auth.CallerFrom(r.Context()).Addr; addr.IsValid() {
		all = append(all, slog.String("addr", addr.String()))
	}
	var about *refusal
	if errors.As(err, &about) {
		all = append(all, slog.String("user", about.user))
	}
	all = append(all, slog.String("method", r.Method), slog.String("path", r.URL.Path))
	a.Log.LogAttrs(r.Context(), level, "refused", all...)
}
