package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
)

const (
	// apiKeyPrefix begins every API key. Scanners for leaked secrets can recognise it, and
	// it cannot be mistaken for a token.
	apiKeyPrefix  = "maru_"
	apiKeyHash    = "sha256:"
	maxAPIKeySize = 256
)

// NewAPIKey makes an API key of 256 random bits, and its hash for the configuration of the
// server.
func NewAPIKey() (key, hash string) {
	var random [32]byte
	rand.Read(random[:])
	key = apiKeyPrefix + base64.RawURLEncoding.EncodeToString(random[:])
	sum := sha256.Sum256([]byte(key))
	return key, apiKeyHash + hex.EncodeToString(sum[:])
}

// APIKeys are the API keys of back ends, by their hashes. A plain hash is enough: the keys
// are long and random, so they cannot be guessed.
type APIKeys struct{ sums [][sha256.Size]byte }

// ParseAPIKeys reads hashes as NewAPIKey writes them.
func ParseAPIKeys(hashes []string) (APIKeys, error) {
	var keys APIKeys
	for _, h := range hashes {
		var sum [sha256.Size]byte
		digits, ok := strings.CutPrefix(h, apiKeyHash)
		if n, err := hex.Decode(sum[:], []byte(digits[:min(len(digits), 2*len(sum))])); !ok || err != nil || n != len(sum) || len(digits) != 2*len(sum) {
			// The error does not repeat the text: it may be the key itself, put there by mistake.
			return APIKeys{}, fmt.Errorf("auth: the hash of an API key must be sha256: and 64 hexadecimal digits, as maru token --api-key prints it")
		}
		keys.sums = append(keys.sums, sum)
	}
	return keys, nil
}

// find returns the beginning of the hash of a known key, as its id, or "". It takes the same
// time for every key.
func (k APIKeys) find(key string) (id string) {
	if len(key) > maxAPIKeySize {
		return ""
	}
	sum := sha256.Sum256([]byte(key))
	for i := range k.sums {
		if subtle.ConstantTimeCompare(sum[:], k.sums[i][:]) == 1 {
			id = hex.EncodeToString(sum[:4])
		}
	}
	return id
}

// has reports whether the key with that id is still one of the keys. It is asked for each
// publication, and makes no copies.
func (k APIKeys) has(id string) bool {
	var digits [8]byte
	for i := range k.sums {
		hex.Encode(digits[:], k.sums[i][:4])
		if string(digits[:]) == id {
			return true
		}
	}
	return false
}
