package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// What may have to be looked up is not decided on a loop.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{"/": true, "/channels/a": true, "/channels/a?since=1": false, "/?last=5": false} {
		if got := (handler{}).AtOnce(httptest.NewRequest("GET", address, nil)); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	for _, name := range []string{"Cookie", "Authorization", "Sec-WebSocket-Protocol"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{http.CanonicalHeaderKey(name): {"x"}}
		if (handler{}).AtOnce(r) {
			t.Errorf("with %s: at once", name)
		}
	}
}
