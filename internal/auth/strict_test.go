package auth_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// signed puts a token together from its JSON, as it is.
func signed(header, claims string) string {
	enc := base64.RawURLEncoding
	text := enc.EncodeToString([]byte(header)) + "." + enc.EncodeToString([]byte(claims))
	return text + "." + enc.EncodeToString(hs256(secretFile[:32])(text))
}

// Issue 14 §14: of two readings of a token none counts.
func TestTokensAreDecodedStrictly(t *testing.T) {
	t.Parallel()
	tokens := newTokens(t, auth.TokenOptions{}, secretFile)
	const header = `{"alg":"HS256"}`
	for claims, want := range map[string]string{
		`{"sub":"kim","exp":4e9}`:                                       "kim",
		`{"sub":"kim","exp":4000000000.75,"nbf":0,"iat":-1}`:            "kim",
		`{"sub":"kim","exp":4e9,"SUB":"admin","Exp":1,"CHANNELS":7}`:    "kim", // other names, which are ignored
		`{"sub":"kim","exp":4e9,"nbf":null,"aud":null,"x":[1,{"y":2}]}`: "kim",
		`{"sub":"\uc548","exp":4e9,"aud":"a"}`:                          "안",
		`{"SUB":"admin","exp":4e9}`:                                     "",
	} {
		if who, err := tokens.Verify(t.Context(), signed(header, claims)); err != nil || who.User != want || len(who.Grant.Channels) > 0 {
			t.Errorf("%s: %+v, %v", claims, who, err)
		}
	}
	for _, claims := range []string{
		`null`, `[]`, `"x"`, ``, `{"sub":"kim","exp":4e9}{}`, `{"sub":"kim","EXP":4e9}`,
		`{"sub":"kim","sub":"admin","exp":4e9}`, `{"sub":"kim","s\u0075b":"admin","exp":4e9}`, `{"sub":"kim","exp":4e9,"x":{"y":1,"y":1}}`,
		`{"sub":"k\ud800","exp":4e9}`, "{\"sub\":\"k\xff\",\"exp\":4e9}", `{"sub":"kim","exp":4e9,"x":"\udfff"}`, `{"sub":"kim","exp":4e9,"channels":["a\ud800"]}`,
		`{"sub":"kim","exp":1e300}`, `{"sub":"kim","exp":1e999}`, `{"sub":"kim","exp":4e9,"nbf":1e300}`, `{"sub":"kim","exp":4e9,"nbf":-1e300}`,
		`{"sub":"kim","exp":4e9,"iat":1e300}`, `{"sub":"kim","exp":253402300800}`, `{"sub":"kim","exp":"4000000000"}`, `{"sub":"kim","exp":true}`,
	} {
		if who, err := tokens.Verify(t.Context(), signed(header, claims)); code(err) != maru.CodeBadToken {
			t.Errorf("%q: %+v, %v", claims, who, err)
		}
	}
	const claims = `{"sub":"kim","exp":4e9}`
	for _, header := range []string{
		`{"ALG":"HS256"}`, `{"alg":"none","alg":"HS256"}`, `{"alg":"HS256","kid":"a","kid":"b"}`, `{"alg":"HS256","x":"\ud800"}`,
		"{\"alg\":\"HS256\",\"x\":\"\xff\"}", `{"alg":"HS256","x":{"y":1,"y":1}}`, `{"alg":"HS256","crit":null}`, `null`,
	} {
		if who, err := tokens.Verify(t.Context(), signed(header, claims)); code(err) != maru.CodeBadToken {
			t.Errorf("header %q: %+v, %v", header, who, err)
		}
	}
	if _, err := tokens.Verify(t.Context(), signed(`{"alg":"HS256","Crit":["x"],"typ":"JWT","kid":"1"}`, claims)); err != nil {
		t.Error(err)
	}
}

// A key set that is not strict is refused as a whole, and a key that is not strict alone.
func TestKeySetIsDecodedStrictly(t *testing.T) {
	t.Parallel()
	good := string(setOf(ecJWK("1", &ecKey.PublicKey), rsaJWK("2")))
	for text, want := range map[string][2]int{ // keys, and keys that are left out
		good: {2, 0},
		strings.Replace(good, `"kty"`, `"unknown":[1,{}],"kty"`, 1):       {2, 0},
		strings.Replace(good, `"keys"`, `"KEYS"`, 1):                      {},
		strings.Replace(good, `"keys"`, `"keys":[],"keys"`, 1):            {},
		strings.Replace(good, `"kid":"1"`, `"KID":"1"`, 1):                {2, 0}, // it has no kid then
		strings.Replace(good, `"kid":"1"`, `"kid":"1","kid":"1"`, 1):      {1, 1},
		strings.Replace(good, `"kid":"1"`, `"kid":"1","x\ud800":1`, 1):    {1, 1},
		strings.Replace(good, `"kty"`, "\"unknown\":\"\xff\",\"kty\"", 1): {},
		good + "{}":      {},
		`{"keys":null}`:  {},
		`{}`:             {},
		`{"keys":[{}]}`:  {}, // no key that could verify is a fault, no key at all is not
		`{"keys":["x"]}`: {},
	} {
		keys, odd, err := auth.ReadKeySet([]byte(text))
		if [2]int{keys, odd} != want || (err == nil) != (want[0] > 0) {
			t.Errorf("%.200q: %d keys, %d odd, %v", text, keys, odd, err)
		}
	}
	if keys, odd, err := auth.ReadKeySet([]byte(`{"keys":[]}`)); keys+odd != 0 || err != nil {
		t.Errorf("an empty set withdraws all keys: %d %d %v", keys, odd, err)
	}
}

func TestWebhookAnswerIsDecodedStrictly(t *testing.T) {
	t.Parallel()
	for text, user := range map[string]string{
		`{"user":"kim"}`: "kim", `{"user":"kim","user":"admin"}`: "", `{"user":"kim","USER":"admin"}`: "", `{"User":"kim"}`: "",
		`{"user":"k\ud800"}`: "", "{\"user\":\"k\xff\"}": "", `{"user":"kim","expires":1e300}`: "", `{"user":"kim","channels":["\udfff"]}`: "",
	} {
		who, err := auth.ReadWebhook(strings.NewReader(text))
		if who.User != user || (err == nil) != (user != "") {
			t.Errorf("%q: %+v, %v", text, who, err)
		}
	}
}

// What the webhook is asked is what the client has sent.
func TestWebhookHeadersAreUTF8(t *testing.T) {
	t.Parallel()
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(`{"user":"kim"}`)) }))
	defer back.Close()
	hook := must(auth.NewWebhook(auth.WebhookOptions{URL: back.URL, Log: discard, Timeout: time.Minute}))
	defer hook.Close()
	people := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
	people.Set(auth.Proofs{Webhook: hook})
	for cookie, want := range map[string]maru.Code{"id=안": "", "id=\xff": maru.CodeBadRequest} {
		r := request("GET", "/", "")
		r.Header["Cookie"] = []string{cookie}
		if _, err := people.Identify(r, "hall"); want == "" && err != nil || want != "" && code(err) != want {
			t.Errorf("%q: %v", cookie, err)
		}
	}
}

func TestTicketParameterIsExact(t *testing.T) {
	t.Parallel()
	people := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
	for query, want := range map[string]maru.Code{
		"ticket=x": maru.CodeBadToken, "ticket=x&ticket=y": maru.CodeBadRequest, "ticket=x&%zz": maru.CodeBadRequest, "ticket=%ff": maru.CodeBadRequest,
	} {
		r := request("GET", "/", "")
		r.URL.RawQuery = query
		if _, err := people.Identify(r, "hall"); code(err) != want {
			t.Errorf("%s: %v, want %s", query, err, want)
		}
	}
}
