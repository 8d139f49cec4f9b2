package client_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/server"
	"maru.example/maru/ws"
)

// connectProxy is an HTTP proxy that connects everybody to one address, and only those with a
// password if it has one. It refuses while status is not 200.
type connectProxy struct {
	to       string
	password string
	status   atomic.Int64
}

func (p *connectProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Header["Authorization"] = r.Header["Proxy-Authorization"]
	_, password, _ := r.BasicAuth()
	switch status := int(p.status.Load()); {
	case r.Method != http.MethodConnect:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case password != p.password:
		w.WriteHeader(http.StatusProxyAuthRequired)
	case status != http.StatusOK:
		w.WriteHeader(status)
	default:
		p.connect(w)
	}
}

func (p *connectProxy) connect(w http.ResponseWriter) {
	back, err := net.Dial("tcp", p.to)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		back.Close()
		return
	}
	go func() {
		io.Copy(back, rw)
		back.Close()
	}()
	io.Copy(nc, back)
	nc.Close()
}

// Issue 15 §12: a client behind a proxy connects through it, and comes back when the proxy
// refuses for a time. The reason is an error of the proxy.
func TestProxy(t *testing.T) {
	t.Parallel()
	s, addr, _ := serve(t, server.Options{Hosts: []string{"maru.test.example"}})
	p := &connectProxy{to: addr, password: "open-sesame"}
	p.status.Store(http.StatusBadGateway)
	site := httptest.NewServer(p)
	t.Cleanup(site.Close)
	at, err := url.Parse(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		user   *url.Userinfo
		status int
	}{
		"a bad gateway":  {url.UserPassword("kim", "open-sesame"), http.StatusBadGateway},
		"no password":    {nil, http.StatusProxyAuthRequired},
		"wrong password": {url.UserPassword("kim", "wrong"), http.StatusProxyAuthRequired},
	} {
		proxy := *at
		proxy.User = test.user
		c := dial(t, "http://maru.test.example/", client.Options{Proxy: http.ProxyURL(&proxy)})
		until(t, name, func() bool {
			refused := new(ws.ProxyError)
			return c.State() == client.Waiting && errors.As(c.Err(), &refused) && refused.Status == test.status
		})
	}
	proxy := *at
	proxy.User = url.UserPassword("kim", "open-sesame")
	c := dial(t, "http://maru.test.example/", client.Options{Proxy: http.ProxyURL(&proxy)})
	sub := subscribe(t, c, "chat", client.SubscribeOptions{})
	p.status.Store(http.StatusOK)
	next[*client.Subscribed](t, sub)
	publish(t, s, "chat", "hello")
	if got := next[*client.Publication](t, sub); got.Kind != maru.Text || string(got.Data) != "hello" {
		t.Errorf("got %s", got.Data)
	}
}
