package auth

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"maru.example/maru"
)

// A Target is what the operator means: at most one of User, Session, Token and Connection, or
// Channel, or both. With both it is that person's part in the channel.
type Target struct {
	User       string `json:"user"`       // the person, however they came
	Session    string `json:"session"`    // the id of a cookie's session
	Token      string `json:"token"`      // the jti of a token, sha256: and a fingerprint where it has none, or the token itself
	Connection string `json:"connection"` // the id in the reply to connect
	Channel    string `json:"channel"`    // the channel's name
}

// Is reports whether the target means this identity. One that names nobody means everybody.
func (x *Target) Is(who Identity) bool {
	switch {
	case x.User != "":
		return who.User == x.User
	case x.Session != "":
		return who.Session == x.Session
	case x.Token != "":
		return who.Grant != nil && who.Grant.ID == x.Token
	}
	return true
}

// Covers reports whether the target means this channel.
func (x *Target) Covers(channel string) bool { return x.Channel == "" || x.Channel == channel }

// ConnectionID is the id of the connection that the target means; any: of every connection.
func (x *Target) ConnectionID() (id uint64, any bool) {
	id, err := strconv.ParseUint(x.Connection, 10, 64)
	return id, err != nil
}

const targets = `"user", "session", "token" or "connection", or "channel", or "channel" beside one of them`

// resolve checks the target, and replaces a token by its name: only that is kept and logged.
// until is when such a token expires; zero: it is unknown.
func (p *Authenticator) resolve(ctx context.Context, x *Target) (until time.Time, err error) {
	names := 0
	for _, s := range []string{x.User, x.Session, x.Token, x.Connection} {
		if s != "" {
			names++
		}
	}
	switch {
	case names == 0 && x.Channel == "":
		return until, maru.NewError(maru.CodeBadRequest, "nobody is named: give "+targets)
	case names > 1:
		return until, maru.NewError(maru.CodeBadRequest, "too much is named: give one of "+targets)
	}
	if x.Channel != "" {
		if err := maru.CheckChannel(x.Channel); err != nil {
			return until, err
		}
	}
	if _, any := x.ConnectionID(); any && x.Connection != "" {
		return until, maru.NewError(maru.CodeBadRequest, `connection must be the id in the reply to connect, a string of digits like "1234567"`)
	}
	return p.resolveToken(ctx, x)
}

func (p *Authenticator) resolveToken(ctx context.Context, x *Target) (until time.Time, err error) {
	switch {
	case strings.HasPrefix(x.Token, apiKeyPrefix):
		return until, maru.NewError(maru.CodeBadRequest, "token is an API key: to end one, remove its line from the configuration file and reload")
	case !isToken(x.Token):
		return until, nil
	}
	text := x.Token
	x.Token = fingerprint(text)
	if tokens := p.proofs.Load().Tokens; tokens != nil {
		who, err := tokens.Verify(ctx, text)
		switch {
		case err == nil:
			x.Token, until = who.Grant.ID, who.ends()
		case maru.ErrorOf(err).Code == maru.CodeUnavailable: // its jti is not known, so it would not be found
			return until, err
		}
	}
	return until, nil
}

// isToken reports whether the text is a token, and not the name of one.
func isToken(s string) bool { return strings.Count(s, ".") == 2 }

// LogValue names the target in a log. A token stands there by its fingerprint.
func (x Target) LogValue() slog.Value {
	if isToken(x.Token) {
		x.Token = fingerprint(x.Token)
	}
	var attrs []slog.Attr
	for _, a := range [][2]string{
		{"user", x.User}, {"session", x.Session}, {"token", x.Token}, {"connection", x.Connection}, {"channel", x.Channel},
	} {
		if a[1] != "" {
			attrs = append(attrs, slog.String(a[0], a[1]))
		}
	}
	return slog.GroupValue(attrs...)
}
