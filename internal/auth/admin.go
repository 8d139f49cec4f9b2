package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"maru.example/maru"
)

const (
	maxDeskBody   = 16 << 10
	revokedFor    = 30 * 24 * time.Hour // unless it is said, or the token says it
	maxRevokedFor = 366 * 24 * time.Hour
)

// ServeTickets answers POST /tickets: a ticket for who asks. A back end, with an API
// key, says for whom, and gets one that is theirs:
//
//	{"user":"kim","channels":["chat:1"],"expires":"2026-11-27T12:00:00Z"}   channels and expires may be left out
//
// 201 {"ticket":"…","expires":"RFC 3339"}: good once, for 30 s. Errors: 400
// bad_request, 401 bad_token, token_expired, revoked, 403 not_allowed (who asks is
// nobody), 405.
func (p *Authenticator) ServeTickets(w http.ResponseWriter, r *http.Request) {
	who, err := p.deskIdentity(w, r)
	if err == nil {
		who, err = p.ticketFor(w, r, who)
	}
	var id string
	var expires time.Time
	if err == nil {
		id, expires, err = p.tickets.issue(who)
	}
	if err != nil {
		WriteError(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, struct {
		Ticket  string    `json:"ticket"`
		Expires time.Time `json:"expires"`
	}{id, expires.UTC()})
}

func (p *Authenticator) ticketFor(w http.ResponseWriter, r *http.Request, who Identity) (Identity, error) {
	if !who.Server() {
		if who.User == "" && who.Grant == nil {
			return who, maru.NewError(maru.CodeNotAllowed, "a ticket is for who is signed in, or brings a token or an API key")
		}
		return who, nil
	}
	var about webhookAnswer // the same words
	if err := readDesk(w, r, &about); err != nil {
		return who, err
	}
	if about.User == "" || !validUser(about.User) {
		return who, maru.NewError(maru.CodeBadRequest, `say whose the ticket is: {"user":"…"}`)
	}
	for _, name := range about.Channels {
		if maru.CheckChannel(name) != nil {
			return who, maru.NewError(maru.CodeBadChannel, "channels has what cannot name a channel")
		}
	}
	who = Identity{User: about.User}
	if len(about.Channels) > 0 || !about.Expires.IsZero() {
		who.Grant = &Grant{Channels: about.Channels, Expires: about.Expires}
	}
	return who, p.revocations.checkNow(who)
}

// ServeDisconnect answers POST /admin/disconnect {"user"|"token"|"session":"…"}: 200
// {"connections":2}, which are closed. It wants an API key, in open mode too.
func (p *Authenticator) ServeDisconnect(w http.ResponseWriter, r *http.Request) {
	p.serveAdmin(w, r, func(x Target, _ time.Time) (int, error) { return p.Disconnect(x), nil })
}

// ServeRevoke answers POST /admin/revoke, as ServeDisconnect, and refuses the person
// or the token for 30 days, until the token expires, or for as long as "for" says, a Go
// duration; "0s" takes it back. A token is given by its jti or as it is: what
// has two dots is taken for one.
func (p *Authenticator) ServeRevoke(w http.ResponseWriter, r *http.Request) {
	p.serveAdmin(w, r, p.Revoke)
}

func (p *Authenticator) serveAdmin(w http.ResponseWriter, r *http.Request, do func(Target, time.Time) (int, error)) {
	who, err := p.deskIdentity(w, r)
	if err == nil && !who.Server() {
		err = maru.NewError(maru.CodeNotAllowed, "this is for back ends: Authorization: Bearer with an API key")
	}
	var n int
	if err == nil {
		var target Target
		var until time.Time
		if target, until, err = p.readTarget(w, r); err == nil {
			n, err = do(target, until)
			p.log.LogAttrs(r.Context(), slog.LevelInfo, "ended by a back end", slog.String("path", r.URL.Path),
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

func (p *Authenticator) readTarget(w http.ResponseWriter, r *http.Request) (Target, time.Time, error) {
	var said struct {
		User, Token, Session string
		For                  string
	}
	if err := readDesk(w, r, &said); err != nil {
		return Target{}, time.Time{}, err
	}
	given := 0
	for _, s := range []string{said.User, said.Token, said.Session} {
		if s != "" {
			given++
		}
	}
	if given != 1 {
		return Target{}, time.Time{}, maru.NewError(maru.CodeBadRequest, `say who: one of {"user":"…"}, {"token":"…"}, {"session":"…"}`)
	}
	x, until := Target{said.User, said.Token, said.Session}, time.Now().Add(revokedFor)
	switch tokens := p.proofs.Load().Tokens; {
	case strings.HasPrefix(said.Token, apiKeyPrefix):
		return Target{}, time.Time{}, maru.NewError(maru.CodeBadRequest, "an API key ends with its line in the configuration file")
	case strings.Count(said.Token, ".") == 2: // as it is: it goes nowhere, least of all into the log
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
			return x, until, maru.NewError(maru.CodeBadRequest, "for is a duration from 0s to 8784h")
		}
		until = time.Now().Add(d)
	}
	return x, until, nil
}

// deskIdentity is who asks, by POST.
func (p *Authenticator) deskIdentity(w http.ResponseWriter, r *http.Request) (Identity, error) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		return Identity{}, maru.NewError(maru.CodeMethodNotAllowed, "this address takes POST")
	}
	return p.Identify(r, "")
}

// readDesk reads a body of JSON, strictly.
func readDesk(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDeskBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return maru.NewError(maru.CodeTooLarge, "the body has at most 16 KiB")
	} else if err != nil {
		return maru.NewError(maru.CodeBadRequest, "the body did not arrive whole")
	}
	return strictJSON(data, v)
}

// strictJSON reads one JSON value without fields that are not known.
func strictJSON(data []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(v)
	if _, more := decoder.Token(); err != nil || more != io.EOF {
		return maru.NewError(maru.CodeBadRequest, "the body is not the JSON that this address takes")
	}
	return nil
}
