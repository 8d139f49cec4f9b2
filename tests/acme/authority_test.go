package acme

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
)

// authority is Pebble inside this process. Every name is at 127.0.0.1.
type authority struct {
	url    string       // of the directory
	orders atomic.Int64 // that were asked for
	roots  *x509.CertPool
}

// newAuthority checks names at these ports. Its certificates are valid for so long.
func newAuthority(t *testing.T, tlsPort, httpPort int, valid time.Duration) *authority {
	t.Helper()
	dns := freeAddr(t)
	names, err := challtestsrv.New(challtestsrv.Config{Log: log.New(io.Discard, "", 0), DNSAddrs: []string{dns}})
	if err != nil {
		t.Fatal(err)
	}
	names.SetDefaultDNSIPv4("127.0.0.1")
	names.SetDefaultDNSIPv6("")
	go names.Run()
	t.Cleanup(names.Shutdown)
	awaitTCP(t, dns) // Pebble asks by TCP; after a question that fails, certmagic waits for a minute

	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "for tests", ValidityPeriod: uint64(valid.Seconds())}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, true, dns, store), issuer, []string{"authority.example"}, true, false, 1, 1)
	a := &authority{roots: x509.NewCertPool()}
	a.roots.AppendCertsFromPEM(issuer.GetRootCert(0).PEM())
	pebble := front.Handler()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, wfeOrder) {
			a.orders.Add(1)
		}
		pebble.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL + wfe.DirectoryPath
	return a
}

// wfeOrder is where Pebble takes orders.
const wfeOrder = "/order-plz"

// freeAddr is an address for a DNS server.
func freeAddr(t *testing.T) string {
	t.Helper()
	l := listener(t)
	defer l.Close()
	return l.Addr().String()
}

func awaitTCP(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// client trusts certificates of the authority.
func (a *authority) client(name string) *tls.Config {
	return &tls.Config{ServerName: name, RootCAs: a.roots}
}

// served is the certificate for a name, once there is one that differs from before.
func (a *authority) served(t *testing.T, addr, name string, before *x509.Certificate) *x509.Certificate {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := tls.Dial("tcp", addr, a.client(name))
		if err == nil {
			leaf := c.ConnectionState().PeerCertificates[0]
			c.Close()
			if before == nil || !leaf.Equal(before) {
				return leaf
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("no new certificate for %s: %v", name, err)
		}
	}
}
