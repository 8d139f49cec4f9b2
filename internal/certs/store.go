package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
)

// Options of a Store.
type Options struct {
	// Pairs are certificates for different names. A connection gets the first one that fits the
	// name that it asks for, and otherwise the first one.
	Pairs []Files
	// ClientCA are files with the certificates of authorities. If there are any, clients need a
	// certificate of one of them.
	ClientCA []string
	// Base has everything else, and certificates of its own: GetCertificate is asked before Pairs,
	// Certificates are used after them. Nil: the default of crypto/tls.
	Base *tls.Config
	// Leaves returns the certificates that Base.GetCertificate has, for their expiry.
	Leaves func() []*x509.Certificate
	// Log receives changes, broken files and expiry. It must not be nil.
	Log *slog.Logger
}

// Store has the certificates of a server.
type Store struct {
	base    *tls.Config
	leaves  func() []*x509.Certificate
	log     *slog.Logger
	clients bool // need a certificate

	pairs       []atomic.Pointer[tls.Certificate]
	authorities []atomic.Pointer[authorities]
	current     atomic.Pointer[tls.Config] // only with clients
	loaded      atomic.Uint64
	failed      atomic.Uint64

	mu      sync.Mutex
	sources []*source
	files   []Files // of pairs
	warned  map[string]warning
}

// authorities are those of one file.
type authorities struct {
	pem   []byte
	certs []*x509.Certificate
}

var errCallback = errors.New("certs: TLSConfig.GetConfigForClient decides everything by itself, so it cannot be combined with files: use one or the other")

// Open reads all files. The error is an *Error if one of them cannot be used.
func Open(o Options) (*Store, error) {
	s := &Store{
		leaves: o.Leaves, log: o.Log, clients: len(o.ClientCA) > 0, files: o.Pairs,
		pairs:       make([]atomic.Pointer[tls.Certificate], len(o.Pairs)),
		authorities: make([]atomic.Pointer[authorities], len(o.ClientCA)),
		warned:      make(map[string]warning),
	}
	if s.base = o.Base; s.base == nil {
		s.base = new(tls.Config)
	}
	if s.base.GetConfigForClient != nil && len(o.Pairs)+len(o.ClientCA) > 0 {
		return nil, errCallback
	}
	for i, pair := range o.Pairs {
		s.sources = append(s.sources, &source{what: "tls-cert " + pair.Cert + " with tls-key " + pair.Key,
			files: []string{pair.Cert, pair.Key}, read: func(b [][]byte) (bool, error) { return s.setPair(i, b[0], b[1]) }})
	}
	for i, file := range o.ClientCA {
		s.sources = append(s.sources, &source{what: "tls-client-ca " + file,
			files: []string{file}, read: func(b [][]byte) (bool, error) { return s.setAuthorities(i, b[0]) }})
	}
	var wrong []error
	for _, source := range s.sources {
		_, err := source.load()
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if s.clients {
		s.setConfig()
	}
	return s, nil
}

// Config returns the configuration of the server. It stays the same when files are replaced.
func (s *Store) Config() *tls.Config {
	if !s.clients {
		return s.config()
	}
	challenges := s.config()
	challenges.NextProtos = []string{challenge}
	config := s.current.Load().Clone()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if slices.Contains(s.base.NextProtos, challenge) && slices.Equal(hello.SupportedProtos, challenges.NextProtos) {
			return challenges, nil // an authority has no certificate as a client
		}
		return s.current.Load(), nil
	}
	return config
}

// challenge is the protocol by which an authority checks a name (RFC 8737). Package front closes
// such a connection after the handshake.
const challenge = "acme-tls/1"

func (s *Store) config() *tls.Config {
	config := s.base.Clone()
	if len(s.pairs) > 0 {
		config.GetCertificate = s.certificate
	}
	return config
}

// setConfig makes a new configuration when the authorities of clients have changed. crypto/tls
// resumes no session whose certificate the new ones do not accept.
func (s *Store) setConfig() {
	config := s.config()
	config.NextProtos = append([]string{"h2", "http/1.1"}, config.NextProtos...)
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = x509.NewCertPool()
	for i := range s.authorities {
		for _, c := range s.authorities[i].Load().certs {
			config.ClientCAs.AddCert(c)
		}
	}
	s.current.Store(config)
}

// certificate is tls.Config.GetCertificate.
func (s *Store) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.base.GetCertificate != nil {
		if c, err := s.base.GetCertificate(hello); c != nil && err == nil {
			return c, nil
		}
	}
	if len(s.pairs) > 1 || len(s.base.Certificates) > 0 {
		for i := range s.pairs {
			if c := s.pairs[i].Load(); hello.SupportsCertificate(c) == nil {
				return c, nil
			}
		}
	}
	if len(s.base.Certificates) > 0 {
		return nil, nil // crypto/tls chooses one of them
	}
	return s.pairs[0].Load(), nil
}

func (s *Store) setPair(i int, cert, key []byte) (changed bool, err error) {
	pair, err := pairOf(cert, key)
	if err != nil {
		return false, err
	}
	was := s.pairs[i].Swap(pair)
	return was == nil || !slices.EqualFunc(was.Certificate, pair.Certificate, bytes.Equal), nil
}

func (s *Store) setAuthorities(i int, pem []byte) (changed bool, err error) {
	certs, err := authoritiesIn(pem)
	if err != nil {
		return false, err
	}
	was := s.authorities[i].Swap(&authorities{pem, certs})
	if was == nil || bytes.Equal(was.pem, pem) {
		return was == nil, nil
	}
	s.setConfig()
	return true, nil
}
