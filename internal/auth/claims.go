package auth

import (
	"encoding/base64"
	"errors"
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

// date converts a NumericDate (RFC 7519 §2); nil for none.
func date(seconds *float64) (*jwt.NumericDate, error) {
	switch {
	case seconds == nil:
		return nil, nil
	case *seconds < -lastSecond || *seconds > lastSecond:
		return nil, errors.New("exp, nbf and iat must be seconds since 1970, up to the year 9999")
	}
	return jwt.NewNumericDate(time.Unix(int64(*seconds), 0)), nil
}

// checkJSON reports a token whose header or claims are not strict JSON. It decodes the header
// once more, because the parser takes the last of equal names.
func checkJSON(token *jwt.Token) error {
	var header map[string]any
	first, _, _ := strings.Cut(token.Raw, ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err == nil {
		err = strict.Decode(data, &header)
	}
	c, ours := token.Claims.(*claims)
	_, critical := header["crit"] // no critical extension is supported (RFC 7515 §4.1.11)
	if err != nil || !ours || !c.decoded || critical {
		return errBadToken
	}
	return nil
}
