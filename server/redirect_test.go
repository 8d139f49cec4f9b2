package server_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"maru.example/maru/server"
)

// Plain HTTP leads to the same address with https, at the port that a client reaches.
func TestRedirectHTTP(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		local, https int
		target, host string
		want         string // the Location; empty: 400
	}{
		"the usual ports":    {80, 443, "/channels/a%2Fb?x=1&y", "push.example", "https://push.example/channels/a%2Fb?x=1&y"},
		"another port":       {80, 8443, "/", "push.example", "https://push.example:8443/"},
		"two others":         {3080, 3443, "/", "localhost:3080", "https://localhost:3443/"},
		"mapped ports":       {3080, 3443, "/", "push.example", "https://push.example/"},
		"IPv6":               {80, 443, "/", "[2001:db8::1]", "https://[2001:db8::1]/"},
		"IPv6 with a port":   {3080, 3443, "/", "[::1]:3080", "https://[::1]:3443/"},
		"two slashes":        {80, 443, "//evil.example/", "push.example", "https://push.example//evil.example/"},
		"no Host":            {80, 443, "/", "", ""},
		"a Host of a port":   {80, 443, "/", ":80", ""},
		"no path (OPTIONS)":  {80, 443, "*", "push.example", ""},
		"an address of http": {80, 443, "http://push.example/a", "push.example", "https://push.example/a"},
	} {
		r := httptest.NewRequest(http.MethodOptions, tt.target, nil)
		r.Host = tt.host
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, &net.TCPAddr{Port: tt.local}))
		w := httptest.NewRecorder()
		server.RedirectHTTP(tt.https).ServeHTTP(w, r)
		want := http.StatusPermanentRedirect
		if tt.want == "" {
			want = http.StatusBadRequest
		}
		if w.Code != want || w.Header().Get("Location") != tt.want {
			t.Errorf("%s: %d %q, want %d %q", name, w.Code, w.Header().Get("Location"), want, tt.want)
		}
	}
}

// With H2C the port speaks HTTP/2 without TLS beside HTTP/1.1, and only then.
func TestH2C(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		addr := listening(t, server.Options{Open: true, H2C: on})
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
		answer, err := client.Post("http://"+addr+"/", "text/plain", bytes.NewReader([]byte("hello")))
		switch {
		case !on && err == nil:
			t.Error("HTTP/2 was spoken without being asked for")
			answer.Body.Close()
		case on && err != nil:
			t.Error(err)
		case on:
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.ProtoMajor != 2 || answer.StatusCode != http.StatusOK {
				t.Errorf("%s %s", answer.Proto, answer.Status)
			}
		}
		client.CloseIdleConnections()

		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := send(t, nc, "GET / HTTP/1.1\r\nHost: "+addr+"\r\n"+upgrade+"\r\n"); status != http.StatusSwitchingProtocols {
			t.Errorf("a WebSocket beside it: %d", status)
		}
		nc.Close()
	}
}

// Files that cannot be used are errors of New, and so are authorities without TLS.
func TestCertificateErrors(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]server.Options{
		"missing":      {TLSFiles: []server.TLSFiles{{Cert: "none.crt", Key: "none.key"}}},
		"no authority": {TLSConfig: &tls.Config{}, TLSClientCA: []string{"none.pem"}},
		"no TLS":       {TLSClientCA: []string{"none.pem"}},
	} {
		if s, err := server.New(o); err == nil {
			t.Errorf("%s: accepted", name)
			s.Shutdown(t.Context())
		}
	}
}
