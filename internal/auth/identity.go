package auth

import (
	"net/netip"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// Identity is the authenticated sender of a request. The zero value is anonymous.
type Identity struct {
	User    string // the person; empty for anonymous, and for an API key
	Session string // id of the cookie's session, for logs and Attach; it is not the cookie's token, so a thief cannot use it
	Grant   *Grant // rights of a token, a ticket, the webhook or an API key; nil without. It is not changed
}

// Grant has the rights of a token, or says that it is an API key.
type Grant struct {
	Key      string    // which API key a back end has; empty for people. See Server
	ID       string    // name of the token, for revoking it: its jti, or a fingerprint
	Channels []string  // channels that the token names, for maru.ByToken: NAME, or PREFIX:* for all that begin so
	Expires  time.Time // when it ends, with all connections that depend on it; zero: never. A token's leeway comes on top

	proof proof // what it rests on
}

// Server reports whether it is a back end with an API key, which may do everything that
// some rule allows.
func (who Identity) Server() bool { return who.Grant != nil && who.Grant.Key != "" }

// Publisher returns the owner of idempotency keys, and its share of them: the API key, the
// person, the cookie's session, the secret that a client keeps over its connections, or else
// the address (see shares.Block). No two kinds can have the same owner. everybody says that the
// address may be that of many callers: see Caller.Holder.
func (who Identity) Publisher(secret string, addr netip.Addr, everybody bool) (owner string, share maru.KeyShare) {
	switch {
	case who.Server():
		return "\x00key:" + who.Grant.Key, maru.NoShare
	case who.User != "":
		return who.User, maru.OneShare
	case who.Session != "":
		return "\x00session:" + who.Session, maru.OneShare
	case secret != "":
		return "\x00secret:" + secret, maru.OneShare
	case everybody:
		share = maru.AllShares
	}
	return "\x00address:" + shares.Block(addr).String(), share
}

// ends is when the grant is no longer accepted; zero: never.
func (who Identity) ends() time.Time {
	if who.Grant == nil || who.Grant.Expires.IsZero() {
		return time.Time{}
	}
	return who.Grant.Expires.Add(time.Duration(who.Grant.proof.Leeway))
}

// expired is the error for a grant that has ended. The client can get a new token or ticket. What
// a webhook or the program has said, the server itself asks for again when the client comes back.
func (who Identity) expired() error {
	if p := &who.Grant.proof; p.Signer == (signer{}) && p.APIKey == "" {
		return errAskAgain
	}
	return errExpired
}
