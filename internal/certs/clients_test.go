package certs_test

import (
	"crypto/tls"
	"path/filepath"
	"testing"
	"time"

	"maru.example/maru/internal/certs"
)

// Only clients with a certificate of an authority connect, also when the authority was replaced and
// a client resumes a session of before.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	caFile, ca := (*authority)(nil).issue(t, "ca.example", later)
	otherFile, other := (*authority)(nil).issue(t, "other.example", later)
	good, _ := ca.issue(t, "client.example", later)
	foreign, _ := other.issue(t, "client.example", later)
	stale, _ := ca.issue(t, "client.example", time.Now().Add(-time.Hour))

	path := filepath.Join(t.TempDir(), "ca.pem")
	replace(t, path, caFile.cert)
	store := open(t, certs.Options{Pairs: []certs.Files{stored(t, self(t, "server.example"))}, ClientCA: []string{path},
		Base: &tls.Config{NextProtos: []string{"acme-tls/1"}}})
	config := store.Config()
	with := func(i issued) *tls.Config {
		return &tls.Config{InsecureSkipVerify: true, ServerName: "server.example", Certificates: []tls.Certificate{i.pair(t)}, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	}
	admits := func(what string, client *tls.Config, want bool) tls.ConnectionState {
		t.Helper()
		seen, err := shake(t, config, client)
		if (err == nil) != want {
			t.Errorf("%s: %v", what, err)
		}
		return seen
	}
	client, stranger := with(good), with(foreign)
	admits("a client", client, true)
	if !admits("the client again", client, true).DidResume {
		t.Error("the session was not resumed, so the next step shows nothing")
	}
	admits("a client of another authority", stranger, false)
	admits("an expired certificate", with(stale), false)
	admits("no certificate", &tls.Config{InsecureSkipVerify: true}, false)
	admits("no certificate, and the protocol of authorities beside another",
		&tls.Config{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1", "http/1.1"}}, false)
	if seen := admits("an authority", &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"acme-tls/1"}}, true); seen.NegotiatedProtocol != "acme-tls/1" {
		t.Errorf("protocol %q", seen.NegotiatedProtocol)
	}

	replace(t, path, otherFile.cert)
	store.Reload()
	admits("the client after the authority was replaced", client, false)
	admits("a client of the new authority", stranger, true)
	replace(t, path, append(otherFile.cert, caFile.cert...))
	store.Reload()
	admits("both authorities", client, true)
}
