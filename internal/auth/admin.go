package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"maru.example/maru"
)

// AdminAPI answers the requests by which back ends act on live connections:
// /admin/disconnect, /admin/unsubscribe and /admin/revoke. They need an API key, in open mode
// too. Errors: 400 bad_request, bad_channel, 401 bad_token, 403 not_allowed (no API key), 405,
// 413 too_large; 503 unavailable and 507 storage_full of ServeRevoke. It is safe for concurrent
// use.
type AdminAPI struct {
	authenticator *Authenticator
	log           *slog.Logger // one line for each request that was carried out
}

// NewAdminAPI makes the AdminAPI of an Authenticator, with its log.
func NewAdminAPI(p *Authenticator) *AdminAPI { return &AdminAPI{p, p.log} }

// ServeDisconnect answers POST /admin/disconnect {"user":"kim","reconnect":true}: it closes the
// connections of a target and answers 200 with their number, {"connections":2}. With reconnect
// clients come back at once, with a new token.
func (a *AdminAPI) ServeDisconnect(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Target
		Reconnect bool `json:"reconnect"`
	}
	a.serve(w, r, &said, "connections", func(ctx context.Context) (int, Target, error) {
		n, err := a.authenticator.Disconnect(ctx, said.Target, said.Reconnect)
		return n, said.Target, err
	})
}

// ServeUnsubscribe answers POST /admin/unsubscribe {"user":"kim","channel":"chat:1"}: it ends the
// subscriptions of a target and answers 200 with their number, {"subscriptions":1}.
func (a *AdminAPI) ServeUnsubscribe(w http.ResponseWriter, r *http.Request) {
	var said Target
	a.serve(w, r, &said, "subscriptions", func(ctx context.Context) (int, Target, error) {
		n, err := a.authenticator.Unsubscribe(ctx, said)
		return n, said, err
	})
}

// ServeRevoke answers POST /admin/revoke {"user"|"token"|"session":"…"} like ServeDisconnect,
// ends the session, and refuses the person for 30 days, or the token until it expires. "for", a
// Go duration, sets another time; "0s" takes the revocation back.
func (a *AdminAPI) ServeRevoke(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Target
		For string `json:"for"`
	}
	a.serve(w, r, &said, "connections", func(ctx context.Context) (int, Target, error) {
		lasts, err := parseFor(said.For)
		n := 0
		if err == nil {
			n, err = a.authenticator.Revoke(ctx, said.Target, lasts)
		}
		return n, said.Target, err
	})
}

// serve reads a body into said, and answers with the number that do returns, under that name. In a
// cluster it is that of all nodes that have answered; "unanswered" is how many did not, if any.
func (a *AdminAPI) serve(w http.ResponseWriter, r *http.Request, said any, name string, do func(context.Context) (int, Target, error)) {
	who, err := a.authenticator.identifyPost(w, r)
	if err == nil && !who.Server() {
		err = ErrBackEndsOnly
	}
	if err == nil {
		err = readPost(w, r, said)
	}
	n := 0
	var unanswered *UnansweredError
	if err == nil {
		var x Target
		n, x, err = do(r.Context())
		if errors.As(err, &unanswered) {
			err = nil
		}
		if err == nil {
			a.log.LogAttrs(r.Context(), slog.LevelInfo, "carried out for a back end", slog.String("path", r.URL.Path),
				slog.Any("target", x), slog.Int(name, n), slog.String("key", who.Grant.Key))
		}
	}
	if err != nil {
		WriteError(w, r, err)
		return
	}
	done := map[string]int{name: n}
	if unanswered != nil {
		done["unanswered"] = unanswered.Nodes
	}
	writeJSON(w, http.StatusOK, done)
}

// ErrBackEndsOnly is the error of /admin/… for a sender without an API key.
var ErrBackEndsOnly = maru.NewError(maru.CodeNotAllowed, "this address is for back ends: send an API key in Authorization: Bearer")

// parseFor reads the time of a revocation; nil: none was given.
func parseFor(s string) (*time.Duration, error) {
	if s == "" {
		return nil, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, `for must be a duration like "24h" or "90m", from "0s" to "8784h"`)
	}
	return &d, nil
}
