package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// DefaultDirectory is that of Let's Encrypt.
const DefaultDirectory = certmagic.LetsEncryptProductionCA

// Options of a Manager.
type Options struct {
	// Domains are the names that get a certificate, one each.
	Domains []string
	// Email is where the authority reports problems. It may be empty.
	Email string
	// Directory is the URL of the authority. Default: DefaultDirectory.
	Directory string
	// Storage is the directory that keeps the account and the certificates.
	Storage string
	// TLSPort is the port of the listener with TLSConfig; 0: TLS-ALPN-01 is not used.
	TLSPort int
	// HTTPPort is the port of the listener with Handler; 0: HTTP-01 is not used.
	HTTPPort int
	// Log receives what the authority answers. It must not be nil.
	Log *slog.Logger
	// CheckEvery is how often certificates are looked at for renewal. Default 10 min.
	CheckEvery time.Duration
}

// Manager has the certificates. Make it with New.
type Manager struct {
	domains []string
	cache   *certmagic.Cache
	config  *certmagic.Config
	issuer  *certmagic.ACMEIssuer
	end     context.CancelFunc
	ctx     context.Context
}

var errNoPort = errors.New("acme: the authority can check a name only at a port of TLS or of plain HTTP")

// New makes a Manager, which connects to nothing before Start. It checks that the storage can be
// written to.
func New(o Options) (*Manager, error) {
	if o.TLSPort == 0 && o.HTTPPort == 0 {
		return nil, errNoPort
	}
	if err := writable(o.Storage); err != nil {
		return nil, fmt.Errorf("acme-storage: %w; make the directory, for maru's user", err)
	}
	logger := zap.New(newCore(o.Log.Handler()))
	m := &Manager{domains: o.Domains}
	m.ctx, m.end = context.WithCancel(context.Background())
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		RenewCheckInterval: o.CheckEvery,
		Logger:             logger,
	})
	m.config = certmagic.New(m.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: o.Storage},
		OCSP:    certmagic.OCSPConfig{DisableStapling: true}, // authorities have given it up
		Logger:  logger,
	})
	directory := o.Directory
	if directory == "" {
		directory = DefaultDirectory
	}
	m.issuer = certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA: directory, Email: o.Email, Agreed: true,
		DisableTLSALPNChallenge: o.TLSPort == 0, AltTLSALPNPort: o.TLSPort,
		DisableHTTPChallenge: o.HTTPPort == 0, AltHTTPPort: o.HTTPPort,
		Logger: logger,
	})
	m.config.Issuers = []certmagic.Issuer{m.issuer}
	return m, nil
}

// writable makes the directory, with a right for its owner only, and tries to write to it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "writable")
	if err != nil {
		return err
	}
	file.Close()
	return os.Remove(file.Name())
}

// TLSConfig returns a configuration with the certificates, and with the answers to TLS-ALPN-01.
func (m *Manager) TLSConfig() *tls.Config {
	return &tls.Config{GetCertificate: m.config.GetCertificate, NextProtos: []string{"acme-tls/1"}}
}

// Handler answers HTTP-01, and passes every other request on.
func (m *Manager) Handler(next http.Handler) http.Handler { return m.issuer.HTTPChallengeHandler(next) }

// Start obtains the certificates that are not in the storage, and renews all of them until Stop.
// It does not wait. A failure is logged and repeated, at growing intervals.
func (m *Manager) Start() error { return m.config.ManageAsync(m.ctx, m.domains) }

// Stop ends the renewal.
func (m *Manager) Stop() {
	m.end()
	m.cache.Stop()
}

// Leaves returns the certificates that are there.
func (m *Manager) Leaves() (all []*x509.Certificate) {
	for _, domain := range m.domains {
		for _, c := range m.cache.AllMatchingCertificates(domain) {
			if c.Leaf != nil {
				all = append(all, c.Leaf)
			}
		}
	}
	return all
}
