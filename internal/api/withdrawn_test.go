package api_test

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// slowBody is a body during which something happens.
type slowBody struct {
	rest   io.Reader
	happen func()
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.happen != nil {
		b.happen()
		b.happen = nil
		return copy(p, "hel"), nil
	}
	return b.rest.Read(p)
}

// Issue 14, 16: who may publish is asked when the publication is made: after the body has arrived.
func TestPublishAfterTheRightWasWithdrawn(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		happen func(w *world)
		want   maru.Code // "": it is published
	}{
		"nothing": {func(*world) {}, ""},
		"the person is revoked": {func(w *world) {
			w.admission.Authenticator.Revoke(context.Background(), auth.Target{User: "kim"}, nil)
		}, maru.CodeRevoked},
		"somebody else is": {func(w *world) {
			w.admission.Authenticator.Revoke(context.Background(), auth.Target{User: "lee"}, nil)
		}, ""},
		"the person signs out": {func(w *world) { w.request("DELETE", "/session", "", w.cookie) }, maru.CodeRevoked},
		"the rules change":     {func(w *world) { w.admission.Rules.Set(map[string]auth.Allowed{}) }, maru.CodeNotAllowed},
		"they are only disconnected": {func(w *world) {
			w.admission.Authenticator.Disconnect(context.Background(), auth.Target{User: "kim"}, false)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 0)
			w.signIn("kim")
			r := httptest.NewRequest("POST", "/channels/a", &slowBody{strings.NewReader("lo"), func() { tt.happen(w) }})
			_, cookie, _ := strings.Cut(w.cookie, ": ")
			r.Header.Set("Cookie", cookie)
			answer := httptest.NewRecorder()
			w.api.ServeHTTP(answer, r)
			h, err := w.broker.History(t.Context(), "a", maru.HistoryQuery{Limit: 1})
			if published := len(h.Publications) == 1; err != nil || code(answer) != tt.want || published != (tt.want == "") {
				t.Errorf("%d %s, published: %v, %v", answer.Code, answer.Body, published, err)
			}
		})
	}
}
