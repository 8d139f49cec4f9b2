package auth

import "time"

// Identity is who sent a request, by the server's word. The zero value is
// anonymous.
type Identity struct {
	User    string // the person; empty for anonymous, and for an API key that speaks for nobody
	Session string // of a cookie: an id for logs and Attach, of no use to a thief: not the cookie's token
	Server  bool   // a back end, by API key: it may do what anybody may
	Grant   *Grant // what a token gives; nil without one. Not changed
}

// Grant is what a token says beside the person's name.
type Grant struct {
	ID       string    // the token's own name, for revoking it; may be empty
	Channels []string  // that the token names for rules that want it (maru.ByToken): NAME, or NAMESPACE:* for all that begin so
	Expires  time.Time // when the token and all that lives by it ends
}
