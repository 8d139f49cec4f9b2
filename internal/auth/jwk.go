package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"maru.example/maru/internal/strict"
)

// maxRSABits bounds the time that one signature takes to verify.
const maxRSABits = 16 << 10

// jwk is a key of a key set.
type jwk struct {
	Key
	kid string // empty: it has none
}

// keyText are the members of a JSON Web Key that matter here (RFC 7517 §4, RFC 7518 §6). The
// certificates of x5c are no proof of anything here, and are ignored.
type keyText struct {
	Kty string   `json:"kty"`
	Use string   `json:"use"`
	Ops []string `json:"key_ops"`
	Alg string   `json:"alg"`
	Kid string   `json:"kid"`
	Crv string   `json:"crv"`
	X   string   `json:"x"`
	Y   string   `json:"y"`
	N   string   `json:"n"`
	E   string   `json:"e"`
}

// parseKeySet reads a JSON Web Key Set (RFC 7517 §5). Keys of other kinds and for other uses are
// left out, and so is a key that is not valid: it does not take the others away. odd says why,
// for each. The error is about the set as a whole.
func parseKeySet(data []byte) (keys []jwk, odd []error, err error) {
	var set struct {
		Keys *[]strict.Raw `json:"keys"`
	}
	if err := strict.DecodeKnown(data, &set); err != nil {
		return nil, nil, fmt.Errorf("the key set is not valid (RFC 7517): %w", err)
	}
	if set.Keys == nil {
		return nil, nil, errors.New(`the key set has no list "keys" (RFC 7517 §5)`)
	}
	for i, text := range *set.Keys {
		key, err := parseJWK(text)
		if err != nil {
			odd = append(odd, fmt.Errorf("key %d of the set is left out: %w", i+1, err))
			continue
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 && len(odd) > 0 { // an empty list withdraws all keys, this does not
		return nil, nil, fmt.Errorf("the key set has no key that can verify tokens: %w", odd[0])
	}
	return keys, odd, nil
}

func parseJWK(data []byte) (jwk, error) {
	var text keyText
	if err := strict.DecodeKnown(data, &text); err != nil {
		return jwk{}, err
	}
	switch {
	case text.Use != "" && text.Use != "sig":
		return jwk{}, fmt.Errorf("its use is %s, not sig", quote(text.Use))
	case len(text.Ops) > 0 && !slices.Contains(text.Ops, "verify"):
		return jwk{}, errors.New("its key_ops do not have verify")
	}
	public, err := text.public()
	if err != nil {
		return jwk{}, err
	}
	key, err := publicKey(public)
	if err != nil {
		return jwk{}, errors.New(strings.TrimPrefix(err.Error(), "auth: "))
	}
	if text.Alg != "" && text.Alg != key.method.Alg() {
		return jwk{}, fmt.Errorf("its alg is %s, not %s", quote(text.Alg), key.method.Alg())
	}
	return jwk{key, text.Kid}, nil
}

// public is the public key; its private part, if there is one, is ignored.
func (t *keyText) public() (any, error) {
	switch {
	case t.Kty == "RSA":
		return t.rsa()
	case t.Kty == "EC" && t.Crv == "P-256":
		x, err := t.bytes("x", t.X)
		y, err2 := t.bytes("y", t.Y)
		if err := errors.Join(err, err2); err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y)) // SEC 1 §2.3.4
	case t.Kty == "OKP" && t.Crv == "Ed25519":
		x, err := t.bytes("x", t.X)
		if err == nil && len(x) != ed25519.PublicKeySize {
			err = errors.New("its x does not have 32 bytes")
		}
		return ed25519.PublicKey(x), err
	}
	return nil, fmt.Errorf("keys of kty %s and crv %s are not supported", quote(t.Kty), quote(t.Crv))
}

func (t *keyText) rsa() (any, error) {
	n, err := t.bytes("n", t.N)
	e, err2 := t.bytes("e", t.E)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if modulus.BitLen() > maxRSABits || exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 || modulus.Bit(0) == 0 {
		return nil, errors.New("its n or e is out of range")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

// bytes decodes base64url. Padding, which RFC 7515 §2 forbids, is often there.
func (*keyText) bytes(name, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil || len(b) == 0 {
		return nil, errors.New("its " + name + " is not base64url")
	}
	return b, nil
}
