package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"maru.example/maru"
)

const (
	maxTokenBytes = 8 << 10
	maxUserBytes  = 255
)

// TokenOptions decide which tokens are accepted.
type TokenOptions struct {
	Keys     []Key   // any of them
	KeySet   *KeySet // or any of its keys; nil: none
	Issuer   string  // iss must be; empty: any
	Audience string  // aud must contain; empty: any
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
	parsing := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"HS256", "RS256", "ES256", "EdDSA"}), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	}
	if o.Issuer != "" {
		parsing = append(parsing, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		parsing = append(parsing, jwt.WithAudience(o.Audience))
	}
	return &Tokens{options: o, parser: jwt.NewParser(parsing...)}
}

var (
	errBadToken = maru.NewError(maru.CodeBadToken, "the token or API key is not valid here: its key, signature, iss, aud or sub is wrong")
	errExpired  = maru.NewError(maru.CodeTokenExpired, "the token has expired: get a new one")
)

// Verify returns the identity of a token. It may wait for the key set. Errors: CodeBadToken,
// CodeTokenExpired; neither reveals more about the token.
func (t *Tokens) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > maxTokenBytes || strings.ContainsAny(token, "\r\n") { // base64 ignores line ends
		return Identity{}, errBadToken
	}
	var c claims
	var keys []Key
	parsed, err := t.parser.ParseWithClaims(token, &c, func(parsed *jwt.Token) (any, error) {
		if err := checkJSON(parsed); err != nil {
			return nil, err
		}
		keys = t.keys(ctx, parsed)
		return verificationKeys(keys), nil
	})
	switch {
	case err == nil:
	case errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return Identity{}, errExpired
	default:
		return Identity{}, errBadToken
	}
	if !validUser(c.Subject) {
		return Identity{}, errBadToken
	}
	if c.ID == "" {
		c.ID = fingerprint(token)
	}
	return Identity{User: c.Subject, Grant: &Grant{ID: c.ID, Channels: c.Channels, Expires: c.ExpiresAt.Time,
		proof: proof{Signer: signerOf(parsed, keys), Issuer: c.Issuer, Audience: c.Audience}}}, nil
}

// keys are the keys that a token may be signed with. Their kind belongs to its algorithm, so
// that a public key is never used as a secret (RFC 8725 §3.1). A key set has no secrets.
func (t *Tokens) keys(ctx context.Context, token *jwt.Token) (keys []Key) {
	keys = slices.Clone(t.options.Keys)
	if t.options.KeySet != nil && token.Method != jwt.SigningMethodHS256 {
		keys = append(keys, t.options.KeySet.candidates(ctx, token)...)
	}
	return slices.DeleteFunc(keys, func(k Key) bool { return k.method != token.Method })
}

func verificationKeys(keys []Key) (set jwt.VerificationKeySet) {
	for _, k := range keys {
		set.Keys = append(set.Keys, k.verify)
	}
	return set
}

// signerOf finds the key that has signed a valid token. The parser does not tell which of
// several it was.
func signerOf(token *jwt.Token, keys []Key) signer {
	text := token.Raw[:strings.LastIndexByte(token.Raw, '.')]
	for _, k := range keys[1:] {
		if k.method.Verify(text, token.Signature, k.verify) == nil {
			return k.id
		}
	}
	return keys[0].id
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
