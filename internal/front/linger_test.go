package front_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A client without the certificate that is required gets the alert that says so, also if it has sent
// a request already, and more than the socket's buffers take.
func TestMissingCertificateIsSaid(t *testing.T) {
	t.Parallel()
	config := certified()
	config.ClientAuth = tls.RequireAnyClientCert
	addr := serve(t, false, config)
	for range 20 {
		nc := tls.Client(dial(t, addr), &tls.Config{InsecureSkipVerify: true})
		nc.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(nc, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n")
		if _, err := nc.Write(bytes.Repeat([]byte("x"), 500_000)); err != nil {
			t.Errorf("the body cannot be written: %v", err)
		}
		if _, err := nc.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate required") {
			t.Errorf("the client gets %v", err)
		}
		nc.Close()
	}
}
