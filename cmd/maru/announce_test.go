package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/config"
)

// at is a listener by its address alone.
type at struct {
	net.Listener
	addr string
}

func (l at) Addr() net.Addr {
	addr, err := net.ResolveTCPAddr("tcp", l.addr)
	if err != nil {
		panic(err)
	}
	return addr
}

func TestAuthorities(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ bound, want []string }{
		{[]string{"127.0.0.1:3000", "[::1]:3000"}, []string{"localhost:3000"}},
		{[]string{"127.0.0.1:3000"}, []string{"127.0.0.1:3000"}},
		{[]string{"[::1]:3000"}, []string{"[::1]:3000"}},
		{[]string{"127.0.0.1:3000", "[::1]:3001"}, []string{"127.0.0.1:3000", "[::1]:3001"}},
		{[]string{"127.0.0.1:3000", "192.0.2.1:80"}, []string{"127.0.0.1:3000", "192.0.2.1:80"}},
	} {
		var listeners []net.Listener
		for _, addr := range tt.bound {
			listeners = append(listeners, at{addr: addr})
		}
		if got := authorities(listeners); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.bound, got, tt.want)
		}
	}
	if got := authorities([]net.Listener{at{addr: "0.0.0.0:3000"}}); got[0] != "localhost:3000" {
		t.Errorf("on all addresses: %v", got)
	}
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	listeners := []net.Listener{at{addr: "127.0.0.1:3000"}, at{addr: "[::1]:3000"}}
	for _, c := range []*serveCmd{{}, {plain: true}, {Serve: config.Serve{BasePath: "/live/"}}} {
		c.Demo = c.plain
		var status []net.Listener
		if c.plain {
			status = []net.Listener{at{addr: "127.0.0.1:9090"}}
		}
		if err := c.announce(&out, &opened{main: listeners, status: status}, nil); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "announce.golden", out.String())
}

// The start message has no line that the rules refuse.
func TestAnnounceFollowsRules(t *testing.T) {
	t.Parallel()
	plain, token := `new WebSocket("ws://localhost:3000")`, `"maru.token." + token]`
	for name, tt := range map[string]struct {
		rules    *config.Namespace // of the namespace default; nil: no such table
		keys     []string
		has, not []string
	}{
		"everybody":        {&config.Namespace{Subscribe: maru.Anyone, Publish: maru.Anyone}, nil, []string{plain, "curl -d hello"}, []string{"Bearer"}},
		"only readers":     {&config.Namespace{Subscribe: maru.Anyone, Publish: maru.Nobody}, []string{"k"}, []string{plain}, []string{"curl"}},
		"back ends write":  {&config.Namespace{Subscribe: maru.Anyone, Publish: maru.ServerOnly}, []string{"k"}, []string{plain, `curl -H "Authorization: Bearer $MARU_TOKEN" -d hello`}, nil},
		"no key to write":  {&config.Namespace{Subscribe: maru.Anyone, Publish: maru.ServerOnly}, nil, []string{plain}, []string{"curl"}},
		"tokens":           {&config.Namespace{Subscribe: maru.SignedIn, Publish: maru.ByToken}, []string{"k"}, []string{token, "Bearer"}, nil},
		"nicknames only":   {&config.Namespace{Subscribe: maru.SignedIn, Publish: maru.SignedIn}, nil, nil, []string{"WebSocket", "curl"}},
		"no default table": {nil, []string{"k"}, nil, []string{"WebSocket", "curl"}},
	} {
		c := &serveCmd{Serve: config.Serve{APIKey: tt.keys, Namespaces: map[string]config.Namespace{"other": {}}}}
		if tt.rules != nil {
			c.Namespaces[maru.DefaultNamespace] = *tt.rules
		}
		var out bytes.Buffer
		if err := c.announce(&out, &opened{main: []net.Listener{at{addr: "127.0.0.1:3000"}, at{addr: "[::1]:3000"}}}, nil); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.has {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: without %q:\n%s", name, want, &out)
			}
		}
		for _, refused := range tt.not {
			if strings.Contains(out.String(), refused) {
				t.Errorf("%s: with %q:\n%s", name, refused, &out)
			}
		}
	}
}

// writeCertificate makes a certificate for names, or for localhost, and its key, as files.
func writeCertificate(t *testing.T, dir, name string, names ...string) (certFile, keyFile string) {
	t.Helper()
	if len(names) == 0 {
		names = []string{"localhost", "127.0.0.1"}
	}
	certificate, err := selfSigned(names, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalECPrivateKey(certificate.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, name+"-cert.pem"), filepath.Join(dir, name+"-key.pem")
	for path, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: certificate.Certificate[0]},
		keyFile:  {Type: "EC PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
