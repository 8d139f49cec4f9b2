package certs_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/certs"
	"maru.example/maru/tests/leaks"
)

func TestMain(m *testing.M) { leaks.Main(m) }

// authority signs certificates. Its nil value lets them sign themselves.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issued is a certificate with its key, in PEM.
type issued struct{ cert, key []byte }

func (i issued) pair(t testing.TB) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(i.cert, i.key)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// issue makes a certificate for a name.
func (a *authority) issue(t testing.TB, name string, until time.Time) (issued, *authority) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until,
		IsCA: a == nil, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bare}),
	}, &authority{leaf, key}
}

// self is a self-signed certificate that is good for another month.
func self(t testing.TB, name string) issued {
	i, _ := (*authority)(nil).issue(t, name, time.Now().Add(30*24*time.Hour))
	return i
}

// replace writes a file in one step, as tools for certificates do.
func replace(t testing.TB, path string, content []byte) {
	t.Helper()
	next := path + ".next"
	if err := errors.Join(os.WriteFile(next, content, 0o600), os.Rename(next, path)); err != nil {
		t.Fatal(err)
	}
}

// stored writes a pair and returns its files.
func stored(t testing.TB, i issued) certs.Files {
	t.Helper()
	dir := t.TempDir()
	f := certs.Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key")}
	replace(t, f.Cert, i.cert)
	replace(t, f.Key, i.key)
	return f
}

// log keeps the lines of a Store.
type log struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// take returns the lines since the last call.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.all.String()
	l.all.Reset()
	return text
}

func (l *log) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

func open(t testing.TB, o certs.Options) *certs.Store {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s, err := certs.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shake does a handshake and returns what the client saw. It needs a socket: the sides of net.Pipe
// wait for each other when both write.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var answers sync.WaitGroup
	defer answers.Wait()
	answers.Go(func() {
		far, err := l.Accept()
		if err != nil {
			return
		}
		defer far.Close()
		c := tls.Server(far, server)
		if c.Handshake() == nil {
			c.Write([]byte("x")) // behind the tickets of the session, which the client reads with it
			io.Copy(io.Discard, c)
		}
	})
	near, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	c := tls.Client(near, client)
	if err := c.Handshake(); err != nil {
		return c.ConnectionState(), err
	}
	_, err = c.Read(make([]byte, 1)) // the server may refuse the client's certificate only now
	return c.ConnectionState(), err
}

// name is that of the certificate for a server name.
func name(t *testing.T, config *tls.Config, server string) string {
	t.Helper()
	seen, err := shake(t, config, &tls.Config{ServerName: server, InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("%s: %v", server, err)
	}
	return seen.PeerCertificates[0].DNSNames[0]
}

func TestChoosesByName(t *testing.T) {
	t.Parallel()
	pairs := []certs.Files{stored(t, self(t, "one.example")), stored(t, self(t, "two.example"))}
	static, dynamic := self(t, "static.example").pair(t), self(t, "dynamic.example").pair(t)
	base := &tls.Config{Certificates: []tls.Certificate{static}, GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		switch h.ServerName {
		case "dynamic.example":
			return &dynamic, nil
		case "nothing.example":
			return nil, nil
		}
		return nil, errors.New("no such name")
	}}
	for what, c := range map[string]struct {
		o    certs.Options
		want map[string]string
	}{
		"two pairs": {certs.Options{Pairs: pairs}, map[string]string{
			"one.example": "one.example", "two.example": "two.example", "other.example": "one.example", "": "one.example"}},
		"one pair": {certs.Options{Pairs: pairs[1:]}, map[string]string{"one.example": "two.example", "": "two.example"}},
		"with others": {certs.Options{Pairs: pairs, Base: base}, map[string]string{
			"dynamic.example": "dynamic.example", "two.example": "two.example", "static.example": "static.example", "nothing.example": "static.example"}},
		"only others": {certs.Options{Base: &tls.Config{Certificates: []tls.Certificate{static}}}, map[string]string{"one.example": "static.example"}},
	} {
		config := open(t, c.o).Config()
		for server, want := range c.want {
			if got := name(t, config, server); got != want {
				t.Errorf("%s: %q got the certificate of %s, want %s", what, server, got, want)
			}
		}
	}
}

func TestUnusableFiles(t *testing.T) {
	t.Parallel()
	good, other := stored(t, self(t, "good.example")), stored(t, self(t, "other.example"))
	dir := t.TempDir()
	none, garbage, large := filepath.Join(dir, "none"), filepath.Join(dir, "garbage"), filepath.Join(dir, "large")
	replace(t, garbage, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	replace(t, large, make([]byte, 2<<20))
	for what, c := range map[string]struct {
		o    certs.Options
		want error
	}{
		"no certificate":         {certs.Options{Pairs: []certs.Files{{Cert: none, Key: good.Key}}}, fs.ErrNotExist},
		"no key":                 {certs.Options{Pairs: []certs.Files{{Cert: good.Cert, Key: none}}}, fs.ErrNotExist},
		"another's key":          {certs.Options{Pairs: []certs.Files{good, {Cert: good.Cert, Key: other.Key}}}, nil},
		"key and certificate":    {certs.Options{Pairs: []certs.Files{{Cert: good.Key, Key: good.Cert}}}, nil},
		"garbage":                {certs.Options{Pairs: []certs.Files{{Cert: garbage, Key: good.Key}}}, nil},
		"a large file":           {certs.Options{Pairs: []certs.Files{{Cert: large, Key: good.Key}}}, nil},
		"a directory":            {certs.Options{Pairs: []certs.Files{{Cert: dir, Key: good.Key}}}, nil},
		"no authority":           {certs.Options{Pairs: []certs.Files{good}, ClientCA: []string{none}}, fs.ErrNotExist},
		"an authority's garbage": {certs.Options{Pairs: []certs.Files{good}, ClientCA: []string{garbage}}, nil},
		"a key for an authority": {certs.Options{Pairs: []certs.Files{good}, ClientCA: []string{good.Key}}, nil},
	} {
		c.o.Log = slog.New(slog.DiscardHandler)
		_, err := certs.Open(c.o)
		if wrong := new(certs.Error); !errors.As(err, &wrong) || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	both := certs.Options{Pairs: []certs.Files{good}, Base: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil }}}
	if _, err := certs.Open(both); err == nil {
		t.Error("a callback that ignores the files was accepted")
	}
}

func FuzzPEM(f *testing.F) {
	good := self(f, "fuzz.example")
	f.Add(good.cert, good.key)
	f.Add(append(good.key, good.cert...), good.key)
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), []byte(nil))
	f.Fuzz(func(t *testing.T, cert, key []byte) {
		if pair, err := certs.PairOf(cert, key); err == nil && (pair.Leaf == nil || pair.PrivateKey == nil) {
			t.Error("a pair without a certificate or a key was accepted")
		}
		if all, err := certs.AuthoritiesIn(cert); err == nil && len(all) == 0 {
			t.Error("no certificate was accepted as an authority")
		}
	})
}
