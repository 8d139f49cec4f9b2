package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"

	"maru.example/maru/server"
)

// selfSignedLife is how long a self-signed certificate is valid. There is a new one at
// each start.
const selfSignedLife = 30 * 24 * time.Hour

// ownCertificate is the certificate of --tls-self-signed; nil without it.
func (c *serveCmd) ownCertificate() (*tls.Certificate, error) {
	if !c.TLSSelfSigned {
		return nil, nil
	}
	return selfSigned(append([]string{"localhost", "127.0.0.1", "::1"}, c.Host...), time.Now())
}

// certificateFiles are the pairs of --tls-cert and --tls-key.
func (c *serveCmd) certificateFiles() (pairs []server.TLSFiles) {
	for i, cert := range c.TLSCert {
		pairs = append(pairs, server.TLSFiles{Cert: cert, Key: c.TLSKey[i]})
	}
	return pairs
}

// selfSigned makes a certificate for these names and addresses; a port after a name is
// ignored. The certificate is in memory only.
func selfSigned(names []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "maru, self-signed"},
		NotBefore:    now.Add(-time.Hour), // for clocks that are slow
		NotAfter:     now.Add(selfSignedLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range names {
		if host, _, err := net.SplitHostPort(name); err == nil {
			name = host
		}
		name = strings.Trim(name, "[]")
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// fingerprint is the SHA-256 of the certificate, as browsers show it.
func fingerprint(certificate *tls.Certificate) string {
	sum := sha256.Sum256(certificate.Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}
