//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// moved puts the files of one pair in the place of another.
func moved(t *testing.T, from, to [2]string) {
	t.Helper()
	for i := range from {
		if err := os.Rename(from[i], to[i]); err != nil {
			t.Fatal(err)
		}
	}
}

// Replaced certificates are taken without a restart, by looking at the files and at SIGHUP, also
// without a configuration file. Broken ones are reported, and the previous one stays (issue 15 §10).
func TestCertificateReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name string) (files [2]string) {
		files[0], files[1] = writeCertificate(t, dir, name)
		return files
	}
	used, second, third := write("used"), write("second"), write("third")
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--tls-cert", used[0], "--tls-key", used[1])
	url := hallURL.FindString(stdout.wait(t, "curl"))
	served := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", strings.TrimPrefix(url, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return fingerprint(&tls.Certificate{Certificate: [][]byte{c.ConnectionState().PeerCertificates[0].Raw}})
	}
	first := served()
	moved(t, second, used)
	stderr.wait(t, "the new ones are in use")
	renewed := served()
	if renewed == first {
		t.Error("the replaced certificate was not taken")
	}
	before := len(stderr.String())
	if err := os.WriteFile(used[1], []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	stderr.waitAfter(t, before, "the previous ones stay in use")
	stderr.waitAfter(t, before, "command line reloaded")
	if served() != renewed {
		t.Error("the broken pair is not the previous certificate")
	}
	before = len(stderr.String())
	moved(t, third, used)
	cmd.Process.Signal(syscall.SIGHUP)
	stderr.waitAfter(t, before, "the new ones are in use")
	if got := served(); got == renewed || got == first {
		t.Error("the third certificate was not taken")
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

// SIGHUP is a reload as soon as there is any file to read again, and not the end.
func TestClientAuthorityAtHangup(t *testing.T) {
	t.Parallel()
	authority, _ := writeCertificate(t, t.TempDir(), "authority")
	cmd, stdout, stderr := program(t, "--listen", "127.0.0.1:0", "--tls-self-signed", "--tls-client-ca", authority)
	stdout.wait(t, "curl")
	cmd.Process.Signal(syscall.SIGHUP)
	if said := stderr.wait(t, "command line reloaded"); strings.Contains(said, "file=") {
		t.Errorf("there is no file: %s", said)
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}

// Several certificates are chosen by name, clients need one of the authority, and the end of
// each is in the metrics.
func TestSeveralCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := writeCertificate(t, dir, "one")
	named, namedKey := writeCertificate(t, dir, "two", "push.example")
	caller, callerKey, pair := clientCertificate(t, dir)
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key, "--tls-cert", named, "--tls-key", namedKey, "--tls-client-ca", caller)
	for name, want := range map[string]string{"push.example": "push.example", "localhost": "localhost"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, ServerName: name, Certificates: []tls.Certificate{pair}}}}
		answer, err := client.Get(live.url + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.TLS.PeerCertificates[0].DNSNames[0]; got != want {
			t.Errorf("%s got the certificate of %s", name, got)
		}
		page := newOutput()
		answer.Write(page)
		for _, file := range []string{cert, named} {
			if !strings.Contains(page.String(), `maru_certificate_expiry_timestamp_seconds{certificate="`+file+`"} `) {
				t.Errorf("the metrics have no end for %s", file)
			}
		}
		client.CloseIdleConnections()
	}
	if got := call(t, "", nil, "publish", "hall", "x", "--server", live.url, "--insecure"); got.code != exitFailure {
		t.Errorf("a client without a certificate: %+v", got)
	}
	if got := call(t, "", nil, "publish", "hall", "x", "--server", live.url, "--insecure", "--client-cert", caller, "--client-key", callerKey); got.code != exitOK {
		t.Errorf("a client with a certificate: %+v", got)
	}
	if got := call(t, "", nil, "publish", "hall", "x", "--server", live.url, "--client-cert", caller); got.code != exitUsage || !strings.Contains(got.stderr, "give both") {
		t.Errorf("a certificate without its key: %+v", got)
	}
}

// clientCertificate makes a certificate of a program, which is its own authority.
func clientCertificate(t *testing.T, dir string) (authority, keyFile string, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	bare, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	authority, keyFile = filepath.Join(dir, "clients.pem"), filepath.Join(dir, "client-key.pem")
	for path, block := range map[string]*pem.Block{authority: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "EC PRIVATE KEY", Bytes: bare}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return authority, keyFile, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
