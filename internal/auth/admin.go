package auth

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"maru.example/maru"
)

// How long a revocation of a person lasts.
const (
	revokedFor    = 30 * 24 * time.Hour // without "for", and unless the token's own expiry is known
	maxRevokedFor = 366 * 24 * time.Hour
)

// AdminAPI answers the requests by which back ends end connections: /admin/disconnect
// and /admin/revoke. They need an API key, in open mode too. Errors: 400 bad_request, 401
// bad_token, 403 not_allowed (no API key), 405, 413 too_large; 503 unavailable of
// ServeRevoke. It is safe for concurrent use.
type AdminAPI struct {
	authenticator *Authenticator
	log           *slog.Logger // one line for each request that was carried out
}

// NewAdminAPI makes the AdminAPI of an Authenticator, with its log.
func NewAdminAPI(p *Authenticator) *AdminAPI { return &AdminAPI{p, p.log} }

// ServeDisconnect answers POST /admin/disconnect {"user"|"token"|"session":"…"}: it closes
// the connections and answers 200 with their number, {"connections":2}.
func (a *AdminAPI) ServeDisconnect(w http.ResponseWriter, r *http.Request) {
	a.serve(w, r, func(x Target, _ time.Time) (int, error) { return a.authenticator.Disconnect(x), nil })
}

// ServeRevoke answers POST /admin/revoke like ServeDisconnect, and also refuses the person
// for 30 days, or the token until it expires. "for", a Go duration, sets another time; "0s"
// takes the revocation back. A token is given by its jti or as it is: a value with two
// dots is treated as a token.
func (a *AdminAPI) ServeRevoke(w http.ResponseWriter, r *http.Request) {
	a.serve(w, r, a.authenticator.Revoke)
}

// serve answers a request with do, for the target in its body.
func (a *AdminAPI) serve(w http.ResponseWriter, r *http.Request, do func(Target, time.Time) (int, error)) {
	who, err := a.authenticator.identifyPost(w, r)
	if err == nil && !who.Server() {
		err = maru.NewError(maru.CodeNotAllowed, "this address is for back ends: send an API key in Authorization: Bearer")
	}
	var n int
	if err == nil {
		var target Target
		var until time.Time
		if target, until, err = a.readTarget(w, r); err == nil {
			n, err = do(target, until)
			a.log.LogAttrs(r.Context(), slog.LevelInfo, "connections ended by a back end", slog.String("path", r.URL.Path),
				slog.String("user", target.User), slog.String("token", target.Token), slog.String("session", target.Session),
				slog.String("key", who.Grant.Key), slog.Int("connections", n))
		}
	}
	if err != nil {
		WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Connections int `json:"connections"`
	}{n})
}

// readTarget reads the target from the body, and the end of its revocation.
func (a *AdminAPI) readTarget(w http.ResponseWriter, r *http.Request) (Target, time.Time, error) {
	var said struct {
		User    string `json:"user"`
		Token   string `json:"token"`
		Session string `json:"session"`
		For     string `json:"for"`
	}
	if err := readPost(w, r, &said); err != nil {
		return Target{}, time.Time{}, err
	}
	given := 0
	for _, s := range []string{said.User, said.Token, said.Session} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return Target{}, time.Time{}, maru.NewError(maru.CodeBadRequest, `the body must be one of {"user":"…"}, {"token":"…"}, {"session":"…"}`)
	}
	x, until := Target{said.User, said.Token, said.Session}, time.Now().Add(revokedFor)
	switch tokens := a.authenticator.proofs.Load().Tokens; {
	case strings.HasPrefix(said.Token, apiKeyPrefix):
		return Target{}, time.Time{}, maru.NewError(maru.CodeBadRequest, "token is an API key: to end one, remove its line from the configuration file and reload")
	case strings.Count(said.Token, ".") == 2: // the token itself: only its jti or fingerprint is kept and logged
		x.Token = fingerprint(said.Token)
		if tokens == nil {
			break
		}
		if who, err := tokens.Verify(r.Context(), said.Token); err == nil {
			x.Token, until = who.Grant.ID, who.Grant.Expires
		}
	}
	if said.For != "" {
		d, err := time.ParseDuration(said.For)
		if err != nil || d < 0 || d > maxRevokedFor {
			return x, until, maru.NewError(maru.CodeBadRequest, `for must be a duration from "0s" to "8784h"`)
		}
		until = time.Now().Add(d)
	}
	return x, until, nil
}
