package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

const (
	maxTokenBytes = 8 << 10
	maxUserBytes  = 255
)

// DefaultLeeway is how much the clocks of maru and of the server that makes tokens may differ.
const DefaultLeeway = 30 * time.Second

// TokenOptions decide which tokens are accepted.
type TokenOptions struct {
	Keys     []Key         // any of them
	KeySet   *KeySet       // or any of its keys; nil: none
	Issuer   string        // iss must be; empty: any
	Audience string        // aud must contain; empty: any
	Leeway   time.Duration // by which exp and nbf may be missed; default 30 s, negative: none
}

// Tokens verifies JSON Web Tokens (RFC 7519) signed with HS256, RS256, ES256 or
// EdDSA. It uses the claims sub (the person), exp (required), channels (for
// maru.ByToken), jti, iss, aud and nbf. Tokens is immutable.
type Tokens struct {
	options TokenOptions
	parser  *jwt.Parser
}

// NewTokens makes Tokens.
func NewTokens(o TokenOptions) *Tokens {
	o.Leeway = max(cmp.Or(o.Leeway, DefaultLeeway), 0)
	return &Tokens{options: o, parser: jwt.NewParser(jwt.WithStrictDecoding())}
}

// Verify returns the identity of a token. It may wait for the key set. Errors: *TokenError, whose
// code is CodeBadToken or CodeTokenExpired; CodeUnavailable if the key set cannot be read.
func (t *Tokens) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > maxTokenBytes || strings.ContainsAny(token, "\r\n") { // base64 ignores line ends
		return Identity{}, badToken("it is longer than 8 KiB, or has line ends")
	}
	var c claims
	parsed, _, err := t.parser.ParseUnverified(token, &c)
	if err == nil {
		err = checkJSON(parsed)
	}
	if err != nil {
		return Identity{}, malformed(parsed, &c, err)
	}
	key, err := t.signer(ctx, parsed)
	if err == nil {
		err = t.checkClaims(&c, time.Now())
	}
	if err != nil {
		return Identity{}, of(parsed, &c, err)
	}
	if c.ID == "" {
		c.ID = fingerprint(token)
	}
	return Identity{User: c.Subject, Grant: &Grant{ID: c.ID, Channels: c.Channels, Expires: c.ExpiresAt.Time,
		proof: proof{Signer: key, Issuer: c.Issuer, Audience: c.Audience, Leeway: int64(t.options.Leeway)}}}, nil
}

// checkClaims checks the claims of a token whose signature is right. Errors: *TokenError.
func (t *Tokens) checkClaims(c *claims, now time.Time) error {
	o := &t.options
	switch {
	case c.ExpiresAt == nil:
		return badToken("its claim exp is missing")
	case !now.Before(c.ExpiresAt.Add(o.Leeway)):
		ago := now.Sub(c.ExpiresAt.Time).Round(time.Second)
		return &TokenError{public: errExpired, Reason: fmt.Sprintf("the token expired %s ago; the leeway is %s", ago, o.Leeway)}
	case c.NotBefore != nil && now.Before(c.NotBefore.Add(-o.Leeway)):
		ahead := c.NotBefore.Sub(now).Round(time.Second)
		return badToken("it is not valid yet (nbf)", fmt.Sprintf("its nbf is %s ahead; the leeway is %s", ahead, o.Leeway))
	case o.Issuer != "" && c.Issuer != o.Issuer:
		return badToken("its issuer (iss) is not the one of this server", fmt.Sprintf("its iss is %s, not token-issuer, %q", quote(c.Issuer), o.Issuer))
	case o.Audience != "" && !slices.Contains(c.Audience, o.Audience):
		return badToken("its audience (aud) is not this server", fmt.Sprintf("its aud is %s, without token-audience, %q", quote(strings.Join(c.Audience, " ")), o.Audience))
	case !validUser(c.Subject):
		return badToken("its claim sub is not UTF-8 of at most 255 bytes without control characters")
	}
	return nil
}

// signer finds the key that has signed a token. If no known key has, the key set may have a new
// one: then it waits for one reading. Errors: *TokenError, CodeUnavailable.
func (t *Tokens) signer(ctx context.Context, token *jwt.Token) (signer, error) {
	if _, is := token.Header["kid"].(string); !is && token.Header["kid"] != nil {
		return signer{}, badToken("the kid of its header is not a string")
	}
	if key, found := verified(token, t.options.Keys); found {
		return key, nil
	}
	set := t.options.KeySet
	if set == nil || token.Method == jwt.SigningMethodHS256 { // a key set has no secrets
		return signer{}, t.unsigned(token, false)
	}
	keys, named := set.candidates(token)
	key, found := verified(token, keys)
	if !found && !named {
		if err := set.await(ctx); err != nil {
			return signer{}, err
		}
		keys, named = set.candidates(token)
		key, found = verified(token, keys)
	}
	if !found {
		return signer{}, t.unsigned(token, named)
	}
	return key, nil
}

// unsigned is the error for a token that none of the keys has signed. The client does not receive
// which of the reasons it is. named says that the key set has the key that the token names.
func (t *Tokens) unsigned(token *jwt.Token, named bool) error {
	reason := "its signature is of none of the keys for its algorithm"
	kid, names := token.Header["kid"].(string)
	switch {
	case named:
		reason = "its signature is wrong: it names a key that has not signed it"
	case names && t.options.KeySet != nil && token.Method != jwt.SigningMethodHS256:
		reason = "its key " + quote(kid) + " is not in the key set, and no other key has signed it"
	case t.options.KeySet == nil && !slices.ContainsFunc(t.options.Keys, func(k Key) bool { return k.method == token.Method }):
		reason = "there is no key for its algorithm, " + token.Method.Alg()
	}
	return badToken("it is not signed with a key of this server", reason)
}

// verified returns which of the keys has signed a token. Their kind belongs to its algorithm, so
// that a public key is never used as a secret (RFC 8725 §3.1).
func verified(token *jwt.Token, keys []Key) (by signer, found bool) {
	text := token.Raw[:strings.LastIndexByte(token.Raw, '.')]
	for _, k := range keys {
		if k.method == token.Method && k.method.Verify(text, token.Signature, k.verify) == nil {
			return k.id, true
		}
	}
	return signer{}, false
}

// fingerprint names a token without a jti, by its signed part. The signature is left out,
// since anybody can make another valid ES256 signature from one.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return "sha256:" + hex.EncodeToString(sum[:16])
}

// validUser reports whether a person's name can be shown and logged; empty is
// anonymous.
func validUser(name string) bool {
	return len(name) <= maxUserBytes && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// Sign makes a token. It needs a secret or private key.
func Sign(k Key, user, id string, channels []string, issuer, audience string, expires time.Time) (string, error) {
	if k.sign == nil {
		return "", errors.New("auth: a public key cannot sign: use the private key")
	}
	if !validUser(user) {
		return "", errors.New("auth: the user's name must be UTF-8 of at most 255 bytes without control characters")
	}
	c := claims{Channels: channels, RegisteredClaims: jwt.RegisteredClaims{
		Subject: user, ID: id, Issuer: issuer, ExpiresAt: jwt.NewNumericDate(expires), IssuedAt: jwt.NewNumericDate(time.Now()),
	}}
	if audience != "" {
		c.Audience = jwt.ClaimStrings{audience}
	}
	return jwt.NewWithClaims(k.method, c).SignedString(k.sign)
}
