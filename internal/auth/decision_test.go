package auth_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// An identity stands as long as what it rests on. A change of who identifies people asks clients
// to come back, since they may be the same people as before.
func TestCheck(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	h := newHook(t)
	h.answer = `{"user":"lee"}`
	webhook := func(url string) *auth.Webhook {
		w := must(auth.NewWebhook(auth.WebhookOptions{URL: url, Log: discard}))
		t.Cleanup(w.Close)
		return w
	}
	cookie := must(x.Identify(request("GET", "/", "", "Cookie: maru_session="+x.cookie), ""))
	asked := x.proofs
	asked.Webhook = webhook(h.URL)
	x.Set(asked)
	byWebhook := must(x.Identify(request("GET", "/", "", "Cookie: sid=1"), ""))
	byToken, byKey := x.verify(x.token("kim", "J", time.Hour)), x.verify(x.apiKey)

	without := func(change func(p *auth.Proofs)) auth.Proofs {
		p := x.proofs
		change(&p)
		return p
	}
	_, otherHash := auth.NewAPIKey()
	for name, tt := range map[string]struct {
		now                           auth.Proofs
		cookie, webhook, token, byKey maru.Code
	}{
		"as it was":          {x.proofs, "", maru.CodeReconnect, "", ""},
		"with the webhook":   {asked, maru.CodeReconnect, "", "", ""},
		"the same webhook":   {without(func(p *auth.Proofs) { p.Webhook = webhook(h.URL) }), maru.CodeReconnect, "", "", ""},
		"another webhook":    {without(func(p *auth.Proofs) { p.Webhook = webhook(h.URL + "/v2") }), maru.CodeReconnect, maru.CodeReconnect, "", ""},
		"no tokens":          {without(func(p *auth.Proofs) { p.Tokens = nil }), "", maru.CodeReconnect, maru.CodeBadToken, ""},
		"the key and others": {without(func(p *auth.Proofs) { p.Tokens = newTokens(t, auth.TokenOptions{}, ecPublic, secretFile) }), "", maru.CodeReconnect, "", ""},
		"other keys":         {without(func(p *auth.Proofs) { p.Tokens = newTokens(t, auth.TokenOptions{}, ecPublic) }), "", maru.CodeReconnect, maru.CodeBadToken, ""},
		"an issuer":          {without(func(p *auth.Proofs) { p.Tokens = newTokens(t, auth.TokenOptions{Issuer: "x"}, secretFile) }), "", maru.CodeReconnect, maru.CodeBadToken, ""},
		"other API keys":     {without(func(p *auth.Proofs) { p.APIKeys = must(auth.ParseAPIKeys([]string{otherHash})) }), "", maru.CodeReconnect, "", maru.CodeBadToken},
	} {
		x.Set(tt.now)
		for of, c := range map[string]struct {
			who  auth.Identity
			want maru.Code
		}{"cookie": {cookie, tt.cookie}, "webhook": {byWebhook, tt.webhook}, "token": {byToken, tt.token}, "API key": {byKey, tt.byKey}, "nobody": {}} {
			if got := code(x.Check(c.who)); got != c.want {
				t.Errorf("%s, by %s: %q, want %q", name, of, got, c.want)
			}
		}
	}
	x.Set(x.proofs)
	x.ServeSession(httptest.NewRecorder(), request("DELETE", "/session", "", "Cookie: maru_session="+x.cookie))
	if got := code(x.Check(cookie)); got != maru.CodeRevoked {
		t.Errorf("after signing out: %q", got)
	}
}

// The key of a token is known among several of its kind.
func TestSignerAmongSeveral(t *testing.T) {
	t.Parallel()
	x := newFixture(t)
	other := []byte("another secret of more than thirty-two bytes")
	x.Set(auth.Proofs{Tokens: newTokens(t, auth.TokenOptions{}, other, secretFile)})
	first := x.verify(must(auth.Sign(must(auth.ParseKey(other)), "lee", "", nil, "", "", future)))
	second := x.verify(x.token("kim", "J", time.Hour))
	x.Set(auth.Proofs{Tokens: newTokens(t, auth.TokenOptions{}, secretFile)})
	if code(x.Check(first)) != maru.CodeBadToken || x.Check(second) != nil {
		t.Errorf("%v, %v", x.Check(first), x.Check(second))
	}
}
