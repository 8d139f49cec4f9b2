package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// provider publishes a key set, or is away.
type provider struct {
	body  atomic.Pointer[[]byte] // nil: away
	reads atomic.Int32
}

func (p *provider) fetch(context.Context) ([]byte, error) {
	p.reads.Add(1)
	if body := p.body.Load(); body != nil {
		return *body, nil
	}
	return nil, errors.New("connection refused")
}

func (p *provider) publish(keys ...map[string]any) {
	set := setOf(keys...)
	p.body.Store(&set)
}

// tokens verifies with the provider's keys, in a bubble.
func (p *provider) tokens(t *testing.T, files ...[]byte) *auth.Tokens {
	set := auth.NewKeySetFrom(p.fetch, discard)
	t.Cleanup(set.Close)
	return newTokens(t, auth.TokenOptions{KeySet: set}, files...)
}

func setOf(keys ...map[string]any) []byte {
	return must(json.Marshal(map[string]any{"keys": append([]map[string]any{}, keys...)}))
}

func ecJWK(kid string, public *ecdsa.PublicKey) map[string]any {
	b := must(public.Bytes())
	return named(kid, map[string]any{"kty": "EC", "crv": "P-256", "use": "sig", "x": raw64(b[1:33]), "y": raw64(b[33:])})
}

// rsaJWK is the key of rsaPublic.
func rsaJWK(kid string) map[string]any {
	block, _ := pem.Decode(rsaPublic)
	public := must(x509.ParsePKIXPublicKey(block.Bytes)).(*rsa.PublicKey)
	return named(kid, map[string]any{"kty": "RSA", "use": "sig", "alg": "RS256", "n": raw64(public.N.Bytes()), "e": "AQAB"})
}

func named(kid string, jwk map[string]any) map[string]any {
	if kid != "" {
		jwk["kid"] = kid
	}
	return jwk
}

func raw64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func es256(key *ecdsa.PrivateKey) func(string) []byte {
	return func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		if err != nil {
			panic(err)
		}
		return append(fill(r), fill(s)...)
	}
}

func fill(n *big.Int) []byte { return n.FillBytes(make([]byte, 32)) }

// by is a token that the key has signed; kid nil: it names none.
func by(key *ecdsa.PrivateKey, kid any) string {
	header := map[string]any{"alg": "ES256"}
	if kid != nil {
		header["kid"] = kid
	}
	return forge(header, map[string]any{"sub": "kim", "exp": time.Now().Add(time.Hour).Unix()}, es256(key))
}

var secondKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))

// Which keys of a set verify which tokens.
func TestKeySet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		oct := map[string]any{"kty": "oct", "kid": "oct", "k": raw64(secretFile)}
		claims := map[string]any{"sub": "kim", "exp": time.Now().Add(time.Hour).Unix()}
		p := new(provider)
		p.publish(ecJWK("1", &ecKey.PublicKey), ecJWK("", &secondKey.PublicKey), oct)
		tokens := p.tokens(t, edPublic)
		for name, tt := range map[string]struct {
			token string
			want  maru.Code
		}{
			"named":                          {by(ecKey, "1"), ""},
			"not named":                      {by(ecKey, nil), ""},
			"named, the key has no name":     {by(secondKey, "other"), ""},
			"another's under its name":       {by(secondKey, "1"), maru.CodeBadToken},
			"named, and in no set":           {by(ecKey, "2"), maru.CodeBadToken},
			"a name that is no text":         {by(ecKey, 7), maru.CodeBadToken},
			"the set's secret":               {forge(map[string]any{"alg": "HS256", "kid": "oct"}, claims, hs256(secretFile)), maru.CodeBadToken},
			"the set's secret, not named":    {forge(map[string]any{"alg": "HS256"}, claims, hs256(secretFile)), maru.CodeBadToken},
			"of a file beside the set":       {must(auth.Sign(must(auth.ParseKey(edPrivate)), "kim", "", nil, "", "", time.Now().Add(time.Hour))), ""},
			"of a file, with an unknown kid": {forge(map[string]any{"alg": "HS256", "kid": "x"}, claims, unsigned), maru.CodeBadToken},
		} {
			if _, err := tokens.Verify(t.Context(), tt.token); code(err) != tt.want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// Issue 15 §1: a key set that is away is "not now": unavailable, not bad_token. It is read again
// within seconds, and known keys go on working.
func TestKeySetThatIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		tokens := p.tokens(t)
		_, err := tokens.Verify(t.Context(), by(ecKey, "1"))
		if e := maru.ErrorOf(err); e.Code != maru.CodeUnavailable || e.RetryAfter <= 0 {
			t.Errorf("away from the start: %v, retry after %s", err, e.RetryAfter)
		}
		p.publish(ecJWK("1", &ecKey.PublicKey))
		time.Sleep(time.Second)
		synctest.Wait()
		verifies(t, tokens, "a second after it is back", by(ecKey, "1"), "")

		p.body.Store(nil)
		time.Sleep(6 * time.Minute)
		verifies(t, tokens, "a known key while it is away", by(ecKey, "1"), "")
		verifies(t, tokens, "an unknown key while it is away", by(secondKey, "2"), maru.CodeUnavailable)
		before := p.reads.Load()
		for range 100 {
			verifies(t, tokens, "many unknown keys", by(secondKey, "2"), maru.CodeUnavailable)
		}
		if n := p.reads.Load() - before; n > 1 {
			t.Errorf("%d readings for 100 tokens", n)
		}
		p.publish(ecJWK("2", &secondKey.PublicKey))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		verifies(t, tokens, "at most 30 s after it is back", by(secondKey, "2"), "")
		verifies(t, tokens, "a key that has left the set", by(ecKey, "1"), maru.CodeBadToken)
	})
}

func verifies(t *testing.T, tokens *auth.Tokens, name, token string, want maru.Code) {
	t.Helper()
	if _, err := tokens.Verify(t.Context(), token); code(err) != want {
		t.Errorf("%s: %v, want %q", name, err, want)
	}
}

// A token with an unknown key waits for one reading; many share it, and readings are 5 s apart.
// Tokens that name no key, against a set that was replaced, are no different.
func TestRotation(t *testing.T) {
	t.Parallel()
	for name, kids := range map[string][2]any{"with names": {"1", "2"}, "without": {nil, nil}, "tokens have names, the keys do not": {"1", "2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				in := func(kid any) string {
					if kid == nil || strings.HasPrefix(name, "tokens") {
						return ""
					}
					return kid.(string)
				}
				p := new(provider)
				p.publish(ecJWK(in(kids[0]), &ecKey.PublicKey))
				tokens := p.tokens(t)
				verifies(t, tokens, "before", by(ecKey, kids[0]), "")
				p.publish(ecJWK(in(kids[1]), &secondKey.PublicKey))
				verifies(t, tokens, "of the new key", by(secondKey, kids[1]), "")
				if n := p.reads.Load(); n != 2 {
					t.Errorf("the set was read %d times for one new key", n)
				}
				start := time.Now()
				done := make(chan error)
				for range 10 {
					go func() {
						_, err := tokens.Verify(t.Context(), by(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "x"))
						done <- err
					}()
				}
				for range 10 {
					if err := <-done; code(err) != maru.CodeBadToken {
						t.Error(err)
					}
				}
				if n, took := p.reads.Load(), time.Since(start); n > 4 || took > 5*time.Second {
					t.Errorf("%d readings for ten unknown keys, in %s", n, took)
				}
			})
		})
	}
}

// At most 1,000 tokens wait for a reading; Close ends the wait.
func TestWaitsForAKeySetAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		p.publish()
		set := auth.NewKeySetFrom(p.fetch, discard)
		tokens := newTokens(t, auth.TokenOptions{KeySet: set})
		token := by(ecKey, "1")
		verifies(t, tokens, "the first", token, maru.CodeBadToken)
		codes := make(chan maru.Code, 1001)
		for range 1001 {
			go func() {
				_, err := tokens.Verify(t.Context(), token)
				codes <- code(err)
			}()
		}
		synctest.Wait()
		if len(codes) != 1 || <-codes != maru.CodeUnavailable {
			t.Fatalf("%d of 1,001 do not wait", len(codes))
		}
		set.Close()
		for range 1000 {
			if got := <-codes; got != maru.CodeUnavailable {
				t.Fatalf("after Close: %s", got)
			}
		}
	})
}

// Connections that rest on a key set that was never read end with a code after which clients come back.
func TestIdentityOfAnUnreadKeySet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := new(provider)
		p.publish(ecJWK("1", &ecKey.PublicKey))
		x := newFixture(t)
		x.Set(auth.Proofs{Tokens: p.tokens(t)})
		who := x.verify(by(ecKey, "1"))
		x.Set(auth.Proofs{Tokens: new(provider).tokens(t)})
		if err := x.Check(who); code(err) != maru.CodeUnavailable {
			t.Error(err)
		}
	})
}

// One odd key does not take the others away.
func TestOddKeys(t *testing.T) {
	t.Parallel()
	with := func(name string, value any) map[string]any {
		key := rsaJWK("odd")
		key[name] = value
		return key
	}
	for name, tt := range map[string]struct {
		key  map[string]any
		used bool
	}{
		"for encryption":                 {with("use", "enc"), false},
		"unknown use":                    {with("use", "other"), false},
		"x5c that is no certificate":     {with("x5c", []string{"AAAA"}), true},
		"x5c that is no list":            {with("x5c", 7), true},
		"a thumbprint that fits nothing": {with("x5t#S256", "abcd"), true},
		"key_ops with others":            {with("key_ops", []string{"verify", "other"}), true},
		"key_ops without verify":         {with("key_ops", []string{"encrypt"}), false},
		"key_ops that is no list":        {with("key_ops", "verify"), false},
		"RSA-OAEP":                       {with("alg", "RSA-OAEP"), false},
		"RS512":                          {with("alg", "RS512"), false},
		"padded":                         {with("n", rsaJWK("")["n"].(string)+"=="), true},
		"small":                          {with("n", raw64(make([]byte, 128))), false},
		"no n":                           {with("n", ""), false},
		"e of 1":                         {with("e", "AQ"), false},
		"even e":                         {with("e", "AQAA"), false},
		"endless n":                      {with("n", strings.Repeat("_", 5000)), false},
		"kid that is no text":            {with("kid", 7), false},
		"off the curve":                  {map[string]any{"kty": "EC", "crv": "P-256", "x": raw64(make([]byte, 32)), "y": raw64(make([]byte, 32))}, false},
		"P-384":                          {map[string]any{"kty": "EC", "crv": "P-384", "x": "AAAA", "y": "AAAA"}, false},
		"secp256k1":                      {map[string]any{"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}, false},
		"Ed25519":                        {map[string]any{"kty": "OKP", "crv": "Ed25519", "x": raw64(make([]byte, 32))}, true},
		"Ed25519, short":                 {map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, false},
		"X25519":                         {map[string]any{"kty": "OKP", "crv": "X25519", "x": raw64(make([]byte, 32))}, false},
		"ML-DSA":                         {map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}, false},
		"unknown kty":                    {map[string]any{"kty": "NEW"}, false},
		"the same kid":                   {rsaJWK("good"), true},
		"times of Ory":                   {with("exp", 1900000000), true},
	} {
		want := [2]int{1, 1}
		if tt.used {
			want = [2]int{2, 0}
		}
		keys, odd, err := auth.ReadKeySet(setOf(tt.key, ecJWK("good", &ecKey.PublicKey)))
		if [2]int{keys, odd} != want || err != nil {
			t.Errorf("%s: %d keys, %d are left out, %v", name, keys, odd, err)
		}
	}
}

// The set is fetched by HTTP, with bounds.
func TestKeySetByHTTP(t *testing.T) {
	t.Parallel()
	good := string(setOf(ecJWK("1", &ecKey.PublicKey)))
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	for name, tt := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request)
		want  maru.Code
	}{
		"200":            {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(good)) }, ""},
		"503":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503); w.Write([]byte(good)) }, maru.CodeUnavailable},
		"too large":      {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(good + strings.Repeat(" ", 1<<20))) }, maru.CodeUnavailable},
		"no key set":     {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) }, maru.CodeUnavailable},
		"another scheme": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, secure.URL, 302) }, maru.CodeUnavailable},
		"a loop":         {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", 302) }, maru.CodeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(tt.serve))
			defer s.Close()
			set := must(auth.NewKeySet(s.URL, discard, nil, nil))
			defer set.Close()
			verifies(t, newTokens(t, auth.TokenOptions{KeySet: set}), "a token", by(ecKey, "1"), tt.want)
		})
	}
	for _, url := range []string{"", "x", "file:///keys", "http://", "/keys"} {
		if _, err := auth.NewKeySet(url, discard, nil, nil); err == nil {
			t.Errorf("%q is the URL of a key set", url)
		}
	}
}

func FuzzKeySet(f *testing.F) {
	f.Add(setOf(ecJWK("1", &ecKey.PublicKey), rsaJWK("2")))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + raw64(make([]byte, 32)) + `"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if keys, _, err := auth.ReadKeySet(data); err != nil && keys > 0 {
			t.Errorf("%d keys, and %v", keys, err)
		}
	})
}
