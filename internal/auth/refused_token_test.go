package auth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// Issue 15 §2: clocks differ. exp and nbf may be missed by the leeway, 30 s by default.
func TestLeeway(t *testing.T) {
	t.Parallel()
	for option, leeway := range map[time.Duration]time.Duration{0: 30 * time.Second, time.Minute: time.Minute, -1: 0} {
		synctest.Test(t, func(t *testing.T) {
			tokens := newTokens(t, auth.TokenOptions{Leeway: option}, secretFile)
			in := func(name string, d time.Duration) string {
				claims := map[string]any{"sub": "kim", "exp": time.Now().Add(time.Hour).Unix()}
				claims[name] = time.Now().Add(d).Unix()
				return forge(map[string]any{"alg": "HS256"}, claims, hs256(bytes.TrimSpace(secretFile)))
			}
			verifies(t, tokens, "nbf within the leeway", in("nbf", leeway), "")
			verifies(t, tokens, "nbf beyond it", in("nbf", leeway+time.Second), maru.CodeBadToken)
			verifies(t, tokens, "iat ahead", in("iat", time.Hour), "")
			verifies(t, tokens, "exp within the leeway", in("exp", time.Second-leeway), "")
			verifies(t, tokens, "exp beyond it", in("exp", -leeway), maru.CodeTokenExpired)
		})
	}
}

// A connection ends at exp and the leeway. The expiry in answers stays exp.
func TestConnectionsEndAfterTheLeeway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t)
		x.Set(auth.Proofs{Tokens: newTokens(t, auth.TokenOptions{}, secretFile)})
		who := x.verify(x.token("lee", "J", 10*time.Second))
		if left := time.Until(who.Grant.Expires); left != 10*time.Second {
			t.Errorf("expires in %s", left)
		}
		c := x.connect(who)
		time.Sleep(40*time.Second - 1)
		synctest.Wait()
		if c.ended() != "" || x.Check(who) != nil {
			t.Errorf("ended early: %q, %v", c.ended(), x.Check(who))
		}
		time.Sleep(1)
		synctest.Wait()
		if c.ended() != maru.CodeTokenExpired || code(x.Check(who)) != maru.CodeTokenExpired {
			t.Errorf("at its end: %q, %v", c.ended(), x.Check(who))
		}
	})
}

// Issue 15 §3: what a webhook or the program has said ends with a code that says come back. They
// are asked again then.
func TestIdentitiesOfOthersEndWithReconnect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newFixture(t)
		who := auth.Identity{User: "kim", Grant: &auth.Grant{Expires: time.Now().Add(3 * time.Second)}}
		c := x.connect(who)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if c.ended() != maru.CodeReconnect || code(x.Check(who)) != maru.CodeReconnect {
			t.Errorf("%q, %v", c.ended(), x.Check(who))
		}
	})
}

// Issue 15 §17: the log names the fault of a token, with what the token says about itself. The
// client gets what it could know from the token alone, or nothing about the server's keys.
func TestRefusedTokensNameTheFault(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	people := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.NewTextHandler(&log, nil)))
	people.Set(auth.Proofs{Tokens: newTokens(t, auth.TokenOptions{Issuer: "https://id.example", Audience: "maru"}, secretFile)})
	header := map[string]any{"alg": "HS256", "kid": "k7"}
	claims := map[string]any{"sub": "kim", "exp": time.Now().Add(time.Hour).Unix(), "iss": "https://id.example", "aud": "maru"}
	secret := hs256(bytes.TrimSpace(secretFile))
	with := func(name string, value any) string {
		c := maps.Clone(claims)
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return forge(header, c, secret)
	}
	wrongAlg := func(alg string) string { return forge(map[string]any{"alg": alg, "kid": "k7"}, claims, secret) }
	for name, tt := range map[string]struct{ token, reason, client string }{
		"issuer":    {with("iss", "https://evil.example"), `iss is .*evil.example.*, not token-issuer, .*id.example`, "issuer (iss)"},
		"audience":  {with("aud", "other"), `aud is .*other.*, without token-audience, .*maru`, "audience (aud)"},
		"expired":   {with("exp", time.Now().Add(-42*time.Second).Unix()), `expired 4[23]s ago; the leeway is 30s`, "expired"},
		"no exp":    {with("exp", nil), `exp is missing`, "exp is missing"},
		"exp":       {with("exp", "soon"), `exp is not a number`, "exp is not a number"},
		"not yet":   {with("nbf", time.Now().Add(time.Hour).Unix()), `nbf is (1h0m0s|59m59s) ahead`, "not valid yet"},
		"channels":  {with("channels", "a"), `channels is not a list of strings`, "channels is not a list of strings"},
		"sub":       {with("sub", 42), `sub is not a string`, "sub is not a string"},
		"alg":       {wrongAlg("RS512"), `algorithm is .*RS512.*, not one of HS256, RS256, ES256, EdDSA`, "RS512"},
		"alg none":  {wrongAlg("none"), `algorithm is .*none`, "none"},
		"no alg":    {forge(map[string]any{"kid": "k7"}, claims, secret), `algorithm is .*, not one of`, "algorithm"},
		"no key":    {wrongAlg("ES256"), `there is no key for its algorithm, ES256`, "not signed with a key of this server"},
		"signature": {forge(header, claims, hs256([]byte("another"))), `signature is of none of the keys`, "not signed with a key of this server"},
	} {
		log.Reset()
		_, err := people.Verify(t.Context(), tt.token)
		line := log.String()
		if !regexp.MustCompile(tt.reason).MatchString(line) || !strings.Contains(line, "unverified_kid=k7") {
			t.Errorf("%s: the log has %s", name, line)
		}
		if name != "sub" && name != "channels" && name != "exp" && !strings.Contains(line, "unverified_user=kim") { // whose claims cannot be read
			t.Errorf("%s: the log has %s", name, line)
		}
		public := maru.ErrorOf(err)
		if !strings.Contains(public.Message, tt.client) || strings.Contains(public.Message, "example") {
			t.Errorf("%s: the client gets %q", name, public.Message)
		}
	}
	for name, token := range map[string]string{"no token": "x", "API key": "maru_abc", "long": strings.Repeat("x", 9000)} {
		log.Reset()
		if _, err := people.Verify(t.Context(), token); code(err) != maru.CodeBadToken || strings.Count(log.String(), "\n") != 1 {
			t.Errorf("%s: %v, and the log has %s", name, err, &log)
		}
	}
}

// What a stranger writes into a token is cut and escaped in the log.
func TestStrangersDoNotWriteTheLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	people := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), slog.New(slog.NewTextHandler(&log, nil)))
	people.Set(auth.Proofs{Tokens: newTokens(t, auth.TokenOptions{}, secretFile)})
	long := strings.Repeat("x", 2000)
	token := forge(map[string]any{"alg": "HS256", "kid": "a\nlevel=ERROR" + long}, map[string]any{"sub": "b\nc" + long, "iss": long}, unsigned)
	if _, err := people.Verify(t.Context(), token); err == nil {
		t.Fatal("accepted")
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || len(text) > 1500 {
		t.Errorf("%d bytes: %s", len(text), fmt.Sprintf("%.500s", text))
	}
}
