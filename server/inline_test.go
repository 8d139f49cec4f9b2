package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// Requests that may need a lookup are not decided on a loop.
func TestInline(t *testing.T) {
	t.Parallel()
	s, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	asking, err := New(Options{Access: Access{ConnectWebhook: "http://127.0.0.1:1/"}})
	if err != nil {
		t.Fatal(err)
	}
	defer asking.Shutdown(t.Context())
	if (handler{asking}).Inline(httptest.NewRequest("GET", "/", nil)) {
		t.Error("a back end is asked on a loop")
	}
	for address, want := range map[string]bool{
		"/": true, "/channels/a": true, "/channels/a?since=1": false, "/?last=5": false,
		"/socket.io/?EIO=4&transport=websocket": true, "/socket.io/": false,
		"/socket.io/?EIO=4&transport=websocket&sid=a": false, "/socket.io/?EIO=4&transport=websocket&ticket=a": false,
	} {
		if got := (handler{s}).Inline(httptest.NewRequest("GET", address, nil)); got != want {
			t.Errorf("%s: %t", address, got)
		}
	}
	for _, name := range []string{"Cookie", "Authorization", "Sec-WebSocket-Protocol"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{http.CanonicalHeaderKey(name): {"x"}}
		if (handler{s}).Inline(r) {
			t.Errorf("with %s: at once", name)
		}
	}
}
