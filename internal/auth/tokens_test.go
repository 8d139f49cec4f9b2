package auth_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Key files, made once.
var (
	secretFile            = []byte("0123456789abcdef0123456789abcdef\n")
	rsaPrivate, rsaPublic = pemOf(must(rsa.GenerateKey(rand.Reader, 2048)))
	ecKey                 = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ecPrivate, ecPublic   = pemOf(ecKey)
	_, edKey              = must2(ed25519.GenerateKey(rand.Reader))
	edPrivate, edPublic   = pemOf(edKey)
	otherECPrivate, _     = pemOf(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)))
	_, wrongCurve         = pemOf(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)))
	future                = time.Now().Add(time.Hour)
	discard               = slog.New(slog.DiscardHandler)
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2[T, U any](v T, u U, err error) (T, U) { return v, must(u, err) }

func pemOf(private crypto.Signer) (secret, public []byte) {
	secret = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(private))})
	public = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(private.Public()))})
	return secret, public
}

func newTokens(t testing.TB, o auth.TokenOptions, files ...[]byte) *auth.Tokens {
	t.Helper()
	for _, file := range files {
		o.Keys = append(o.Keys, must(auth.ParseKey(file)))
	}
	return auth.NewTokens(o)
}

// forge puts a token together by hand; sign gets what is signed.
func forge(header, claims map[string]any, sign func(string) []byte) string {
	enc := base64.RawURLEncoding
	text := enc.EncodeToString(must(json.Marshal(header))) + "." + enc.EncodeToString(must(json.Marshal(claims)))
	return text + "." + enc.EncodeToString(sign(text))
}

func hs256(secret []byte) func(string) []byte {
	return func(text string) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(text))
		return mac.Sum(nil)
	}
}

func unsigned(string) []byte { return nil }

func TestTokensOfEveryAlgorithm(t *testing.T) {
	t.Parallel()
	all := newTokens(t, auth.TokenOptions{}, rsaPublic, ecPublic, edPublic, secretFile)
	for name, file := range map[string][]byte{"RS256": rsaPrivate, "ES256": ecPrivate, "EdDSA": edPrivate, "HS256": secretFile} {
		token := must(auth.Sign(must(auth.ParseKey(file)), "kim", "J1", []string{"chat:1"}, "", "", future))
		header, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
		if !strings.Contains(string(header), `"alg":"`+name+`"`) {
			t.Errorf("%s: header %s", name, header)
		}
		who, err := all.Verify(t.Context(), token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if who.User != "kim" || who.Grant.ID != "J1" || !slices.Equal(who.Grant.Channels, []string{"chat:1"}) || who.Grant.Expires.Unix() != future.Unix() {
			t.Errorf("%s: %+v %+v", name, who, who.Grant)
		}
		for other, key := range map[string][]byte{"RS256": rsaPublic, "ES256": ecPublic, "EdDSA": edPublic, "HS256": []byte("another secret of thirty-two bytes")} {
			only := newTokens(t, auth.TokenOptions{}, key)
			if _, err := only.Verify(t.Context(), token); (err == nil) != (other == name && name != "HS256") {
				t.Errorf("%s with a key for %s: %v", name, other, err)
			}
		}
	}
}

func TestBadTokens(t *testing.T) {
	t.Parallel()
	secret := []byte("0123456789abcdef0123456789abcdef")
	tokens := newTokens(t, auth.TokenOptions{Issuer: "id", Audience: "maru"}, secretFile, rsaPublic, ecPublic)
	header := map[string]any{"alg": "HS256", "typ": "JWT"}
	claims := map[string]any{"sub": "kim", "exp": future.Unix(), "iss": "id", "aud": []string{"x", "maru"}}
	with := func(m map[string]any, key string, value any) map[string]any {
		m = maps.Clone(m)
		if m[key] = value; value == nil {
			delete(m, key)
		}
		return m
	}
	good := forge(header, claims, hs256(secret))
	if _, err := tokens.Verify(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{
		"empty":                       "",
		"none":                        forge(with(header, "alg", "none"), claims, unsigned),
		"None":                        forge(with(header, "alg", "None"), claims, unsigned),
		"no algorithm":                forge(with(header, "alg", nil), claims, hs256(secret)),
		"no signature":                good[:strings.LastIndexByte(good, '.')+1],
		"two parts":                   good[:strings.LastIndexByte(good, '.')],
		"signature of another":        good[:len(good)-4] + "AAAA",
		"the public key as a secret":  forge(header, claims, hs256(rsaPublic)),
		"trimmed":                     forge(header, claims, hs256([]byte(strings.TrimSpace(string(rsaPublic))))),
		"the EC one":                  forge(header, claims, hs256(ecPublic)),
		"an empty secret":             forge(header, claims, hs256(nil)),
		"HS512":                       forge(with(header, "alg", "HS512"), claims, hs256(secret)),
		"ES256 signed with HS256":     forge(with(header, "alg", "ES256"), claims, hs256(secret)),
		"ES256 with a zero signature": forge(with(header, "alg", "ES256"), claims, func(string) []byte { return make([]byte, 64) }),
		"critical header":             forge(with(header, "crit", []string{"b64"}), claims, hs256(secret)),
		"key in the token":            forge(with(header, "jwk", map[string]any{"kty": "oct", "k": "AAAA"}), claims, hs256(make([]byte, 3))),
		"no end":                      forge(header, with(claims, "exp", nil), hs256(secret)),
		"end is never":                forge(header, with(claims, "exp", 1e15), hs256(secret)),
		"end is no number":            forge(header, with(claims, "exp", "never"), hs256(secret)),
		"not yet":                     forge(header, with(claims, "nbf", future.Unix()), hs256(secret)),
		"another issuer":              forge(header, with(claims, "iss", "else"), hs256(secret)),
		"no issuer":                   forge(header, with(claims, "iss", nil), hs256(secret)),
		"another audience":            forge(header, with(claims, "aud", "else"), hs256(secret)),
		"no audience":                 forge(header, with(claims, "aud", nil), hs256(secret)),
		"user with a line":            forge(header, with(claims, "sub", "kim\nlee"), hs256(secret)),
		"user too long":               forge(header, with(claims, "sub", strings.Repeat("k", 256)), hs256(secret)),
		"user is no text":             forge(header, with(claims, "sub", 7), hs256(secret)),
		"channels are no list":        forge(header, with(claims, "channels", "a"), hs256(secret)),
		"too long":                    forge(header, with(claims, "x", strings.Repeat("x", 9000)), hs256(secret)),
		"white space":                 good + "\n",
	} {
		if _, err := tokens.Verify(t.Context(), token); code(err) != maru.CodeBadToken {
			t.Errorf("%s: %v", name, err)
		} else if token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%s: the error repeats the token", name)
		}
	}
	expired := forge(header, with(claims, "exp", time.Now().Add(-31*time.Second).Unix()), hs256(secret))
	if _, err := tokens.Verify(t.Context(), expired); code(err) != maru.CodeTokenExpired {
		t.Errorf("expired: %v", err)
	}
	expired = forge(header, with(claims, "exp", time.Now().Add(-31*time.Second).Unix()), hs256(ecPublic))
	if _, err := tokens.Verify(t.Context(), expired); code(err) != maru.CodeBadToken {
		t.Errorf("expired and forged: %v", err)
	}
	who, err := tokens.Verify(t.Context(), forge(header, with(claims, "sub", nil), hs256(secret)))
	if err != nil || who.User != "" || !strings.HasPrefix(who.Grant.ID, "sha256:") {
		t.Errorf("a token of nobody: %+v, %v", who, err)
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	small, _ := pemOf(must(rsa.GenerateKey(rand.Reader, 1024)))
	for name, file := range map[string][]byte{
		"empty":           {},
		"short secret":    []byte("0123456789abcdef0123456789abcde\n\n"),
		"torn PEM":        rsaPublic[:len(rsaPublic)-20],
		"two keys":        append(slices.Clone(rsaPublic), ecPublic...),
		"certificate":     pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
		"wrong content":   pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte{1}}),
		"wrong private":   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}}),
		"RSA of 1,024":    small,
		"P-384":           wrongCurve,
		"text before PEM": append([]byte("x"), rsaPublic[:40]...),
	} {
		if _, err := auth.ParseKey(file); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, public := range [][]byte{rsaPublic, ecPublic, edPublic} {
		key := must(auth.ParseKey(public))
		if _, err := auth.Sign(key, "kim", "", nil, "", "", future); err == nil || key.Signs() {
			t.Error("a public key signs")
		}
	}
}

func FuzzParseKey(f *testing.F) {
	for _, file := range [][]byte{secretFile, rsaPublic, ecPrivate, edPublic} {
		f.Add(file)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		key, err := auth.ParseKey(file)
		if err == nil && key.Signs() && strings.Contains(string(file), "-----BEGIN PUBLIC KEY") {
			t.Errorf("a secret was made of %q", file)
		}
	})
}

func FuzzVerify(f *testing.F) {
	tokens := newTokens(f, auth.TokenOptions{}, ecPublic)
	f.Add(forge(map[string]any{"alg": "none"}, map[string]any{"exp": 1e10}, unsigned))
	f.Add(must(auth.Sign(must(auth.ParseKey(otherECPrivate)), "kim", "", nil, "", "", future)))
	f.Fuzz(func(t *testing.T, token string) {
		if who, err := tokens.Verify(t.Context(), token); err == nil {
			t.Errorf("%q is %+v's", token, who)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, files := range map[string][2][]byte{"HS256": {secretFile, secretFile}, "ES256": {ecPrivate, ecPublic}, "EdDSA": {edPrivate, edPublic}, "RS256": {rsaPrivate, rsaPublic}} {
		b.Run(name, func(b *testing.B) {
			tokens := newTokens(b, auth.TokenOptions{}, files[1])
			token := must(auth.Sign(must(auth.ParseKey(files[0])), "kim", "", nil, "", "", future))
			for b.Loop() {
				tokens.Verify(b.Context(), token)
			}
		})
	}
}
