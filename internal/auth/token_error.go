package auth

import (
	"errors"
	"log/slog"

	"github.com/golang-jwt/jwt/v5"

	"maru.example/maru"
)

// TokenError is why a token or an API key was refused. It wraps the *maru.Error that the client
// gets, which says nothing about the server's keys and settings, and nothing that the sender of an
// invented token does not know.
type TokenError struct {
	public *maru.Error
	Reason string // in full, for the operator

	// What the token says about itself. Nobody has verified it.
	User, Issuer, KeyID string
}

func (e *TokenError) Error() string { return string(e.public.Code) + ": " + e.Reason }

// Unwrap lets maru.ErrorOf find what the client gets.
func (e *TokenError) Unwrap() error { return e.public }

// attrs are the parts of the error for a line of the log.
func (e *TokenError) attrs() []slog.Attr {
	all := []slog.Attr{slog.String("code", string(e.public.Code)), slog.String("reason", e.Reason)}
	for _, said := range [][2]string{{"unverified_user", e.User}, {"unverified_issuer", e.Issuer}, {"unverified_kid", e.KeyID}} {
		if said[1] != "" {
			all = append(all, slog.String(said[0], said[1]))
		}
	}
	return all
}

// badToken makes a *TokenError with CodeBadToken. Without a reason, the log has the fault that
// the client gets.
func badToken(fault string, reason ...string) error {
	e := &TokenError{public: maru.NewError(maru.CodeBadToken, "the token is not valid here: "+fault), Reason: fault}
	if len(reason) > 0 {
		e.Reason = reason[0]
	}
	return e
}

// of adds what a token says about itself to a *TokenError.
func of(token *jwt.Token, c *claims, err error) error {
	var e *TokenError
	if token == nil || !errors.As(err, &e) {
		return err
	}
	e.User, e.Issuer = short(c.Subject), short(c.Issuer)
	kid, _ := token.Header["kid"].(string)
	e.KeyID = short(kid)
	return e
}

// short cuts text of a stranger for the log, which escapes it.
func short(s string) string { return s[:min(len(s), maxUserBytes)] }

var (
	errBadToken = maru.NewError(maru.CodeBadToken, "the token or API key is not accepted here any more")
	errExpired  = maru.NewError(maru.CodeTokenExpired, "the token has expired: get a new one")

	// errAskAgain ends what the webhook or the program has proved until now.
	errAskAgain = maru.NewError(maru.CodeReconnect, "the identity of this client has expired: come back, to be identified again")
)
