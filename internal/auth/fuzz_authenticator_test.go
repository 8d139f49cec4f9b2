package auth_test

import (
	"strings"
	"testing"

	"maru.example/maru/internal/auth"
)

// Random headers and queries give no identity.
func FuzzIdentify(f *testing.F) {
	_, hash := auth.NewAPIKey()
	keys := must(auth.ParseAPIKeys([]string{hash}))
	people := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
	people.Set(auth.Proofs{Tokens: newTokens(f, auth.TokenOptions{}, ecPublic), APIKeys: keys})
	f.Add("Bearer maru_x", "maru.v1, maru.token.a.b.c", "maru_session=x", "ticket=x")
	f.Add("bearer  \t", "maru.token.,maru.token.", "maru_session", "ticket=%zz&ticket")
	f.Add("Basic YTpi", "", "", "since=1;2")
	f.Fuzz(func(t *testing.T, authorization, protocols, cookie, query string) {
		r := request("GET", "/", "")
		r.Header["Authorization"] = strings.Split(authorization, "\n")
		r.Header["Sec-Websocket-Protocol"] = strings.Split(protocols, "\n")
		r.Header["Cookie"] = []string{cookie}
		r.URL.RawQuery = query
		if who, err := people.Identify(r, "hall"); who != (auth.Identity{}) {
			t.Errorf("%+v, %v", who, err)
		}
	})
}

// An answer of the back end is read strictly, and up to a limit.
func FuzzWebhookAnswer(f *testing.F) {
	f.Add(`{"user":"kim","channels":["a"],"expires":"2026-11-27T12:00:00Z"}`)
	f.Add(`{"user":"\u0000"}`)
	f.Add(`{}{}`)
	f.Fuzz(func(t *testing.T, answer string) {
		who, err := auth.ReadWebhook(strings.NewReader(answer))
		if err == nil && (len(who.User) > 255 || strings.ContainsAny(who.User, "\x00\n") || who.Session != "" || who.Server()) {
			t.Errorf("%q is %+v", answer, who)
		}
	})
}
