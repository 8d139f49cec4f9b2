package main

import (
	"crypto/tls"
	"log/slog"
	"net/http"

	"maru.example/maru/internal/acme"
)

// authority obtains the certificates of --acme-domain; nil without it.
func (c *serveCmd) authority(at *opened, log *slog.Logger) (*acme.Manager, error) {
	if len(c.ACMEDomain) == 0 {
		return nil, nil
	}
	return acme.New(acme.Options{
		Domains: c.ACMEDomain, Email: c.ACMEEmail, Directory: c.ACMEDirectory, Storage: c.ACMEStorage,
		TLSPort: portOf(at.main), HTTPPort: portOf(at.plain), Log: log,
	})
}

// tlsConfig has the certificates that are not in files; nil if all are.
func tlsConfig(own *tls.Certificate, m *acme.Manager) *tls.Config {
	switch {
	case own != nil:
		return &tls.Config{Certificates: []tls.Certificate{*own}}
	case m != nil:
		return m.TLSConfig()
	}
	return nil
}

// onPlainHTTP answers the questions of the authority, and redirects everybody else.
func onPlainHTTP(m *acme.Manager, redirect http.Handler) http.Handler {
	if m == nil {
		return redirect
	}
	return m.Handler(redirect)
}
