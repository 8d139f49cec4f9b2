package server_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/memory"
	"maru.example/maru/server"
)

// Issue 14, 5: /readyz says that the store is gone. While its disk is full the server is ready,
// since histories are served and the memory namespaces take publications.
func TestReadyWithoutAStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"well": {nil, 200},
		"full": {maru.NewError(maru.CodeStorageFull, "the disk is full"), 200},
		"gone": {maru.NewError(maru.CodeUnavailable, "the directory is gone"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := server.New(server.Options{Open: true, Broker: func(o maru.BrokerOptions) (maru.Broker, error) {
				return &foreign{memory.New(memory.Options{Sink: o.Sink}), c.err, nil}, nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Shutdown(t.Context())
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost/readyz", nil))
			if answer.Code != c.status || c.status != 200 && !strings.Contains(answer.Body.String(), "the directory is gone") {
				t.Errorf("%d %s, want %d", answer.Code, answer.Body, c.status)
			}
		})
	}
}
