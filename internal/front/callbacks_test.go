package front_test

import (
	"crypto/tls"
	"runtime"
	"strings"
	"testing"
)

// Issue 14 §12: a certificate that is slow to obtain delays no other handshake, however many
// wait for it.
func TestCertificateMayWait(t *testing.T) {
	t.Parallel()
	config := certified()
	certificate := &config.Certificates[0]
	entered, let := make(chan struct{}), make(chan struct{})
	config.Certificates = nil
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if hello.ServerName == "slow.example" {
			entered <- struct{}{}
			<-let
		}
		return certificate, nil
	}
	addr := serve(t, false, config)
	for range 8*runtime.GOMAXPROCS(0) + 1 { // more than compute at a time
		nc := dial(t, addr)
		go tls.Client(nc, &tls.Config{ServerName: "slow.example", InsecureSkipVerify: true}).Handshake()
		<-entered
	}
	talkSecurely(t, addr, "fast.example")
	close(let)
}

// Issue 14 §13: a panic in a callback ends only its connection.
func TestCertificatePanics(t *testing.T) {
	t.Parallel()
	config := certified()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if hello.ServerName == "bad.example" {
			panic("a mistake of the program")
		}
		return nil, nil
	}
	addr := serve(t, false, config)
	for range 8*runtime.GOMAXPROCS(0) + 1 { // its place is given back
		nc := tls.Client(dial(t, addr), &tls.Config{ServerName: "bad.example", InsecureSkipVerify: true})
		if err := nc.Handshake(); err == nil {
			t.Fatal("the handshake succeeded")
		}
	}
	talkSecurely(t, addr, "good.example")
}

// talkSecurely does a request over TLS. It tries again on a machine that is too busy for the
// time that a handshake may take.
func talkSecurely(t *testing.T, addr, name string) {
	t.Helper()
	got := ""
	for range 20 {
		nc := tls.Client(dial(t, addr), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		got = talkOver(t, nc, "GET /a 0", "GET /a HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if strings.Contains(got, "GET /a 0") {
			return
		}
	}
	t.Errorf("got %.300q", got)
}
