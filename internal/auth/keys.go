package auth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// Signs reports whether the key can sign.
func (k Key) Signs() bool { return k.sign != nil }

const (
	minSecretBytes = 32 // of HS256: no shorter than its hash (RFC 7518 §3.2)
	minRSABits     = 2048
)

// A Key verifies the tokens of one algorithm, and may sign them. Which algorithm
// follows from the kind of the key alone, never from a token.
type Key struct {
	method jwt.SigningMethod
	verify jwt.VerificationKey
	sign   crypto.PrivateKey // nil of a public key
	id     signer
}

// signer identifies a key that verifies tokens: a hash of it, the same wherever the key comes
// from.
type signer [16]byte

func idOf(kind string, key []byte) signer {
	sum := sha256.Sum256(append([]byte(kind+":"), key...))
	return signer(sum[:16])
}

// MarshalText and UnmarshalText are for what is kept on disk.
func (s signer) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, s[:]), nil }

func (s *signer) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(s[:], text[:min(len(text), 2*len(s))]); err != nil || n != len(s) || len(text) != 2*len(s) {
		return errors.New("auth: the id of a key is not 32 hexadecimal digits")
	}
	return nil
}

// ParseKey reads the content of a key file: a public or private key in PEM (RSA of
// 2,048 bits or more: RS256; EC on P-256: ES256; Ed25519: EdDSA), or else a secret of
// at least 32 bytes, without the white space around it: HS256. Text that looks like PEM is
// never used as a secret: anybody who knows a public key could sign with it.
func ParseKey(file []byte) (Key, error) {
	block, rest := pem.Decode(file)
	if block == nil {
		return secretKey(bytes.TrimSpace(file))
	}
	if more, _ := pem.Decode(rest); more != nil {
		return Key{}, errors.New("auth: the key file has more than one key: put each key in a file of its own")
	}
	switch block.Type {
	case "PUBLIC KEY":
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return Key{}, errors.New("auth: the public key is malformed")
		}
		return publicKey(public)
	case "PRIVATE KEY":
		return privateKey(x509.ParsePKCS8PrivateKey(block.Bytes))
	case "EC PRIVATE KEY":
		return privateKey(anyKey(x509.ParseECPrivateKey(block.Bytes)))
	case "RSA PRIVATE KEY":
		return privateKey(anyKey(x509.ParsePKCS1PrivateKey(block.Bytes)))
	}
	return Key{}, errors.New("auth: the key file has a PEM block of an unknown type: it must be PUBLIC KEY or PRIVATE KEY, or a secret without PEM")
}

func anyKey[K any](key K, err error) (any, error) { return key, err }

func secretKey(secret []byte) (Key, error) {
	switch {
	case bytes.Contains(secret, []byte("-----BEGIN")):
		return Key{}, errors.New("auth: the PEM of the key is malformed")
	case len(secret) < minSecretBytes:
		return Key{}, errors.New("auth: the secret has fewer than 32 bytes: openssl rand -base64 32 makes one")
	}
	return Key{jwt.SigningMethodHS256, secret, secret, idOf("secret", secret)}, nil
}

func privateKey(private any, err error) (Key, error) {
	signer, ok := private.(crypto.Signer)
	if err != nil || !ok {
		return Key{}, errors.New("auth: the private key is malformed")
	}
	key, err := publicKey(signer.Public())
	key.sign = private
	return key, err
}

func publicKey(public any) (Key, error) {
	method, err := methodOf(public)
	if err != nil {
		return Key{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Key{}, errors.New("auth: the public key is malformed")
	}
	return Key{method, public, nil, idOf("public", der)}, nil
}

// methodOf is the algorithm of a public key.
func methodOf(public any) (jwt.SigningMethod, error) {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if public.N.BitLen() < minRSABits {
			return nil, errors.New("auth: the RSA key has fewer than 2,048 bits")
		}
		return jwt.SigningMethodRS256, nil
	case *ecdsa.PublicKey:
		if public.Curve != elliptic.P256() {
			return nil, errors.New("auth: the EC key is not on the curve P-256")
		}
		return jwt.SigningMethodES256, nil
	case ed25519.PublicKey:
		return jwt.SigningMethodEdDSA, nil
	}
	return nil, errors.New("auth: the key is not RSA, EC or Ed25519")
}
