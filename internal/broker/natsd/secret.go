package natsd

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"time"
)

// nodeName is the name in all certificates that are made of a secret. Nodes are known by their
// authority, not by their host.
const nodeName = "node.maru.internal"

// tls is the configuration of connections between nodes, for both sides.
func (o *Options) tls() (*tls.Config, error) {
	var config *tls.Config
	var err error
	if o.CertFile != "" {
		config, err = fromFiles(o.CertFile, o.KeyFile, o.CAFile)
	} else {
		config, err = fromSecret(o.Secret)
	}
	if err != nil {
		return nil, err
	}
	config.MinVersion = tls.VersionTLS13
	config.ClientAuth = tls.RequireAndVerifyClientCert
	config.ClientCAs = config.RootCAs
	// RFC 7301 §3.2: a server that shares no protocol with the client ends the handshake. The error of
	// the server names the client's, so both names are in its log.
	config.NextProtos = []string{protocolPrefix + o.Cluster}
	return config, nil
}

const protocolPrefix = "maru-cluster/"

// fromSecret makes a certificate of an authority that all who know the secret can be.
func fromSecret(secret []byte) (*tls.Config, error) {
	seed, err := hkdf.Key(sha256.New, secret, nil, "maru cluster authority 1", ed25519.SeedSize)
	if err != nil {
		return nil, err
	}
	authority := ed25519.NewKeyFromSeed(seed)
	root := certificate("maru cluster", big.NewInt(1))
	root.IsCA, root.BasicConstraintsValid, root.KeyUsage = true, true, x509.KeyUsageCertSign
	if root, err = sign(root, root, authority.Public(), authority); err != nil {
		return nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	leaf := certificate(nodeName, serial)
	leaf.DNSNames, leaf.KeyUsage = []string{nodeName}, x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if leaf, err = sign(leaf, root, public, authority); err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Raw}, PrivateKey: private, Leaf: leaf}},
		RootCAs:      pool, ServerName: nodeName,
	}, nil
}

// certificate is valid at any time: its key ends with the process, and clocks may be wrong.
func certificate(name string, serial *big.Int) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 §4.1.2.5
	}
}

func sign(made, by *x509.Certificate, public any, key ed25519.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, made, by, public, key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// fromFiles reads certificates again for each connection, so that new ones need no restart.
func fromFiles(certFile, keyFile, caFile string) (*tls.Config, error) {
	read := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("certificate %s with key %s: %w", certFile, keyFile, err)
		}
		return &pair, nil
	}
	if _, err := read(); err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(caFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New(caFile + " has no certificate in PEM")
	}
	return &tls.Config{
		RootCAs:              pool,
		GetCertificate:       func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return read() },
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return read() },
	}, nil
}
