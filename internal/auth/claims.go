package auth

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"maru.example/maru/internal/strict"
)

// claims are the claims that tokens are signed with and verified by. Others are ignored
// (RFC 7519 §4).
type claims struct {
	jwt.RegisteredClaims
	Channels []string `json:"channels,omitempty"`

	decoded bool // false if null stands in the place of the claims, which the parser accepts
}

// UnmarshalJSON is for the parser. encoding/json would take {"sub":"kim","SUB":"admin"} for a
// token of admin.
func (c *claims) UnmarshalJSON(data []byte) error {
	var said struct {
		Issuer    string           `json:"iss"`
		Subject   string           `json:"sub"`
		Audience  jwt.ClaimStrings `json:"aud"`
		ExpiresAt *float64         `json:"exp"`
		NotBefore *float64         `json:"nbf"`
		IssuedAt  *float64         `json:"iat"`
		ID        string           `json:"jti"`
		Channels  []string         `json:"channels"`
	}
	if err := strict.DecodeKnown(data, &said); err != nil {
		return err
	}
	*c = claims{Channels: said.Channels, decoded: true, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: said.Issuer, Subject: said.Subject, Audience: said.Audience, ID: said.ID,
	}}
	var err [3]error
	c.ExpiresAt, err[0] = date(said.ExpiresAt)
	c.NotBefore, err[1] = date(said.NotBefore)
	c.IssuedAt, err[2] = date(said.IssuedAt)
	return errors.Join(err[:]...)
}

// lastSecond is the end of the year 9999: RFC 3339, in which it is shown, has four digits for
// the year.
const lastSecond = 253_402_300_799

var errDate = errors.New("exp, nbf and iat must be seconds since 1970, up to the year 9999")

// date converts a NumericDate (RFC 7519 §2); nil for none.
func date(seconds *float64) (*jwt.NumericDate, error) {
	switch {
	case seconds == nil:
		return nil, nil
	case *seconds < -lastSecond || *seconds > lastSecond:
		return nil, errDate
	}
	return jwt.NewNumericDate(time.Unix(int64(*seconds), 0)), nil
}

// methods are the algorithms that tokens may have.
var methods = []string{"HS256", "RS256", "ES256", "EdDSA"}

// checkJSON reports a token whose header or claims are not strict JSON, or whose header asks for
// what is not supported. It decodes the header once more, because the parser takes the last of
// equal names. Errors: *TokenError.
func checkJSON(token *jwt.Token) error {
	var header map[string]any
	first, _, _ := strings.Cut(token.Raw, ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err == nil {
		err = strict.Decode(data, &header)
	}
	if err != nil {
		return badToken("its header is not valid: " + err.Error())
	}
	if _, critical := header["crit"]; critical { // RFC 7515 §4.1.11
		return badToken("its header has crit, but no critical extension is supported")
	}
	if c, ours := token.Claims.(*claims); !ours || !c.decoded {
		return badToken("it has no claims")
	}
	if !slices.Contains(methods, token.Method.Alg()) {
		return wrongMethod(token.Method.Alg())
	}
	return nil
}

func wrongMethod(alg string) error {
	return badToken("its algorithm is " + quote(alg) + ", not one of " + strings.Join(methods, ", "))
}

// faultOf says what is wrong with the claims.
func faultOf(e *strict.Error) string {
	kinds := map[string]string{
		"exp": "a number", "nbf": "a number", "iat": "a number", "sub": "a string", "iss": "a string", "jti": "a string",
		"aud": "a string or a list of strings", "channels": "a list of strings",
	}
	if kind := kinds[e.Field]; kind != "" && e.Problem == strict.Value {
		return "its claim " + e.Field + " is not " + kind
	}
	return "its claims are not valid: " + e.Error()
}

// malformed is the error for a token that cannot be parsed. It is about the token alone, so the
// client may know it. token is nil if there are not even three parts.
func malformed(token *jwt.Token, c *claims, err error) error {
	var known *TokenError
	var field *strict.Error
	switch {
	case errors.As(err, &known):
	case token == nil:
		err = badToken("it is not a JSON Web Token (RFC 7519), nor an API key")
	case errors.As(err, &field):
		err = badToken(faultOf(field))
	case errors.Is(err, errDate):
		err = badToken("its claims are not valid: " + errDate.Error())
	case token.Header != nil && token.Method == nil && c.decoded:
		alg, _ := token.Header["alg"].(string)
		err = wrongMethod(alg)
	default:
		err = badToken("its parts are not base64url of JSON (RFC 7515)", err.Error())
	}
	return of(token, c, err)
}
