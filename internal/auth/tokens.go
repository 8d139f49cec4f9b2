package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"

	"maru.example/maru"
)

const (
	maxTokenBytes   = 8 << 10
	maxUserBytes    = 255
	keySetTimeout   = 5 * time.Second // for an answer, and to look for a key
	keySetEvery     = time.Hour       // between two readings of the key set
	keySetUnknown   = 10 * time.Second
	maxKeySetAnswer = 1 << 20
)

// TokenOptions decide which tokens are accepted.
type TokenOptions struct {
	Keys     []Key  // any of them
	KeySet   string // URL of a JSON Web Key Set (RFC 7517); empty: none
	Issuer   string // iss must be; empty: any
	Audience string // aud must contain; empty: any
	Log      *slog.Logger
}

// Tokens verifies JSON Web Tokens (RFC 7519) signed with HS256, RS256, ES256 or
// EdDSA. It uses the claims sub (the person), exp (required), channels (for
// maru.ByToken), jti, iss, aud and nbf.
type Tokens struct {
	options TokenOptions
	parser  *jwt.Parser
	keySet  keyfunc.Keyfunc // nil: none
	close   context.CancelFunc
}

// NewTokens requests the key set and keeps it up to date: every hour, and when a token names
// a key that is not in it, every 10 s at most. A failure is logged, and tokens that need
// the set are refused until it can be read.
func NewTokens(o TokenOptions) (*Tokens, error) {
	parsing := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"HS256", "RS256", "ES256", "EdDSA"}), jwt.WithExpirationRequired(), jwt.WithStrictDecoding(),
	}
	if o.Issuer != "" {
		parsing = append(parsing, jwt.WithIssuer(o.Issuer))
	}
	if o.Audience != "" {
		parsing = append(parsing, jwt.WithAudience(o.Audience))
	}
	t := &Tokens{options: o, parser: jwt.NewParser(parsing...), close: func() {}}
	if o.KeySet == "" {
		return t, nil
	}
	var ctx context.Context
	ctx, t.close = context.WithCancel(context.Background())
	var err error
	t.keySet, err = keyfunc.NewDefaultOverrideCtx(ctx, []string{o.KeySet}, keyfunc.Override{
		Client:            &http.Client{Transport: short{}, Timeout: keySetTimeout, CheckRedirect: secureRedirect},
		HTTPTimeout:       keySetTimeout,
		RateLimitWaitMax:  keySetTimeout,
		RefreshInterval:   keySetEvery,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(keySetUnknown), 1),
		RefreshErrorHandlerFunc: func(url string) func(context.Context, error) {
			return func(_ context.Context, err error) {
				if ctx.Err() == nil {
					o.Log.Error("cannot read token-key-set; tokens that need it are refused", slog.String("url", url), slog.Any("err", err))
				}
			}
		},
	})
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// Close stops the updates of the key set.
func (t *Tokens) Close() { t.close() }

// secureRedirect follows no redirect to another scheme: over plain http anybody on the way
// could change the answer.
func secureRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 3 || via[0].URL.Scheme != r.URL.Scheme {
		return errors.New("redirected more than three times, or to another scheme")
	}
	return nil
}

// short is the standard transport with a bound on the size of answers, which are key sets.
type short struct{}

func (short) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		err = strictKeySet(answer)
	}
	return answer, err
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
	_, err := t.parser.ParseWithClaims(token, &c, func(parsed *jwt.Token) (any, error) { return t.keys(ctx, parsed) })
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
	return Identity{User: c.Subject, Grant: &Grant{ID: c.ID, Channels: c.Channels, Expires: c.ExpiresAt.Time}}, nil
}

// keys are the keys that a token may be signed with. Their kind belongs to its algorithm, so
// that a public key is never used as a secret (RFC 8725 §3.1). A key set has no secrets.
func (t *Tokens) keys(ctx context.Context, token *jwt.Token) (any, error) {
	var set jwt.VerificationKeySet
	if err := checkJSON(token); err != nil {
		return nil, err
	}
	for _, k := range t.options.Keys {
		if k.method == token.Method {
			set.Keys = append(set.Keys, k.verify)
		}
	}
	if t.keySet == nil || token.Method == jwt.SigningMethodHS256 {
		return set, nil
	}
	found, err := t.keySet.KeyfuncCtx(ctx)(token)
	if err != nil {
		return set, nil // the other keys are tried
	}
	all, ok := found.(jwt.VerificationKeySet)
	if !ok {
		all.Keys = []jwt.VerificationKey{found}
	}
	for _, key := range all.Keys {
		if k, err := publicKey(key); err == nil && k.method == token.Method {
			set.Keys = append(set.Keys, key)
		}
	}
	return set, nil
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
