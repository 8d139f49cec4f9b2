package proxies_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/proxies/proxy"
)

// forgetful is a server before maru that loses one answer: of the next POST of a Socket.IO client,
// which maru has handled.
type forgetful struct {
	*httputil.ReverseProxy
	loses atomic.Bool
}

func newForgetful(t testing.TB, maru *program.Server) (f *forgetful, addr string) {
	t.Helper()
	behind, err := url.Parse(maru.URL)
	must(t, err)
	f = new(forgetful)
	f.ReverseProxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(behind)
			r.Out.Host = r.In.Host
			for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Proto"} {
				r.Out.Header[name] = r.In.Header[name]
			}
		},
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Method == http.MethodPost && strings.Contains(r.Request.URL.Path, "/socket.io/") && f.loses.Swap(false) {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	site := httptest.NewServer(f)
	t.Cleanup(site.Close)
	return f, strings.TrimPrefix(site.URL, "http://")
}

// A proxy with the page's configuration does not repeat a POST whose answer it has lost: it might be
// published twice. The client gets an error, comes back, and may publish again with the same
// idempotency_key.
func TestIssue16LostAnswer(t *testing.T) {
	program.InOwnStep(t)
	for _, name := range []string{"nginx", "haproxy", "caddy", "apache", "varnish"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			maru := serve(t)
			f, addr := newForgetful(t, maru)
			s := &site{maru: maru, Proxy: proxy.Start(t, name, addr)}
			v := s.visit(t, "polling")
			f.loses.Store(true)
			v.value(t, `clients.polling.publish("once").catch(() => "the connection broke before the ack")`)
			v.eventually(t, "clients.polling.recovered", []bool{false, true})
			v.publish(t, "polling", `"after"`)
			v.eventually(t, "clients.polling.got", []string{"once", "after"})
		})
	}
}

// A proxy that is told to repeat POSTs publishes twice, without an idempotency_key.
func TestIssue16RepeatedPost(t *testing.T) {
	program.InOwnStep(t)
	maru := serve(t)
	f, addr := newForgetful(t, maru)
	s := &site{maru: maru, Proxy: proxy.StartChanged(t, "haproxy", addr, "  retries 10", "  retry-on all-retryable-errors\n  retries 10")}
	v := s.visit(t, "polling")
	f.loses.Store(true)
	v.publish(t, "polling", `"twice"`)
	v.eventually(t, "clients.polling.got", []string{"twice", "twice"})
	f.loses.Store(true)
	v.publish(t, "polling", `"once", { idempotency_key: "k" }`)
	v.publish(t, "polling", `"after"`)
	v.eventually(t, "clients.polling.got", []string{"twice", "twice", "once", "after"})
}
