package auth_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/tests/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

func newFilter(t testing.TB, p auth.Policy) *auth.RequestFilter {
	t.Helper()
	g, err := auth.NewRequestFilter(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// code is the code word of an error, "" for none.
func code(err error) maru.Code {
	if err == nil {
		return ""
	}
	var e *maru.Error
	if !errors.As(err, &e) {
		return maru.Code("no *maru.Error: " + err.Error())
	}
	return e.Code
}

func prefixes(ss ...string) (ps []netip.Prefix) {
	for _, s := range ss {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

// direct is a transport that calls a handler in memory, as net/http's server
// would. It works under synctest too, where sockets do not.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr = "127.0.0.1:49152"
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.URL.Scheme == "https" {
		r.TLS = new(tls.ConnectionState)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}
