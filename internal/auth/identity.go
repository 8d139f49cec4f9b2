package auth

import "time"

// Identity is who sent a request, by the server's word. The zero value is
// anonymous.
type Identity struct {
	User    string // the person; empty for anonymous, and for an API key
	Session string // of a cookie: an id for logs and Attach, of no use to a thief: not the cookie's token
	Grant   *Grant // what a token, a ticket, the webhook or an API key gives beside the name; nil without. Not changed
}

// Grant is what a token says beside the person's name, or that it is an API key.
type Grant struct {
	Key      string    // of a back end: which API key it has; see Server
	ID       string    // the token's own name, for revoking it: its jti, or a fingerprint of it
	Channels []string  // that the token names for rules that want it (maru.ByToken): NAME, or PREFIX:* for all that begin so
	Expires  time.Time // when it ends, and all that lives by it; zero: never
}

// Server reports whether it is a back end with an API key, which may do whatever
// anybody may.
func (who Identity) Server() bool { return who.Grant != nil && who.Grant.Key != "" }

// Publisher is whose an idempotency key is: the person's, or the API key's, which no
// person can have the name of.
func (who Identity) Publisher() string {
	if who.Server() {
		return "\x00" + who.Grant.Key
	}
	return who.User
}

// expires is when the grant ends; zero: never.
func (who Identity) expires() time.Time {
	if who.Grant == nil {
		return time.Time{}
	}
	return who.Grant.Expires
}
