package auth

import "slices"

// A Decision is one that stands: an identity was allowed an action in a channel, and continues it.
// Its reasons can be withdrawn: the rule, the person's standing, a session, an API key, the key
// that signed a token. Then it is made again, by the same function as the first time.
type Decision struct {
	Who     Identity
	Do      Action
	Channel string // empty: the connection itself, which rests on the identity alone
}

// proof is what an identity rests on, as far as it can be withdrawn while the server runs. The
// revocation of a person, a token or a session is no part of it.
type proof struct {
	APIKey   string   `json:"api_key,omitempty"` // the key with which a ticket was made
	Signer   signer   `json:"signer,omitzero"`   // of the token
	Issuer   string   `json:"issuer,omitempty"`  // the token's iss
	Audience []string `json:"audience,omitempty"`
	Webhook  string   `json:"webhook,omitempty"` // its URL

	Leeway int64 `json:"leeway,omitzero"` // of the token: by how many nanoseconds it may outlive its exp
}

// Check reports whether the identity is still valid: its grant has not expired, it is not
// revoked, its session has not ended, and its proof would be accepted today. It does not wait.
// Errors: CodeTokenExpired, CodeRevoked; CodeBadToken if the API key or the token's key is no
// longer known; CodeUnavailable if that cannot be known yet; CodeReconnect if the webhook or the
// program must be asked again, or if another one identifies users now.
func (p *Authenticator) Check(who Identity) error {
	if who == (Identity{}) {
		return nil
	}
	if err := p.revoked.check(who); err != nil {
		return err
	}
	if who.Session != "" && !p.Sessions.known(who.Session) {
		return p.Sessions.unknown()
	}
	return p.proofs.Load().check(who)
}

// check reports whether what an identity rests on is still in force.
func (p *Proofs) check(who Identity) error {
	if who.Session != "" && (p.Program != nil || p.Webhook != nil) {
		return errOtherAuthority
	}
	g := who.Grant
	if g == nil {
		return nil
	}
	switch {
	case g.Key != "" && !p.APIKeys.has(g.Key), g.proof.APIKey != "" && !p.APIKeys.has(g.proof.APIKey):
		return errBadToken
	case g.proof.Signer != (signer{}):
		return p.Tokens.accepts(&g.proof)
	case g.proof.Webhook != "" && (p.Webhook == nil || p.Webhook.options.URL != g.proof.Webhook):
		return errOtherAuthority
	}
	return nil
}

// accepts checks that a token that rests on x would be accepted now. No token is by nil.
func (t *Tokens) accepts(x *proof) error {
	if t == nil {
		return errBadToken
	}
	o := &t.options
	if o.Issuer != "" && o.Issuer != x.Issuer || o.Audience != "" && !slices.Contains(x.Audience, o.Audience) {
		return errBadToken
	}
	switch {
	case slices.ContainsFunc(o.Keys, func(k Key) bool { return k.id == x.Signer }), o.KeySet.has(x.Signer):
		return nil
	case o.KeySet.unread():
		return errNoKeySet
	}
	return errBadToken
}
