package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
)

// errNeedsTLS is the error for plain HTTP at a port that speaks https.
var errNeedsTLS = errors.New("the server speaks https at this port: give --server an address with https:// or wss://")

// needsTLS reports whether an answer is that of a server in Go, or of nginx, to plain HTTP at a
// port that speaks https.
func needsTLS(status int, body []byte) bool {
	return status == http.StatusBadRequest && bytes.Contains(body, []byte("HTTP request")) && bytes.Contains(body, []byte("HTTPS"))
}

// advised adds what to do to an error of a connection to the server.
func advised(err error) error {
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case untrusted:
		return fmt.Errorf("%w; give --ca with the certificate or its authority, or --insecure for a self-signed one on your own machine", err)
	case strings.Contains(err.Error(), "tls: certificate required"): // the alert has no type in crypto/tls
		return fmt.Errorf("%w; give --client-cert and --client-key, since the server asks for a certificate", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w; is the server running there?", err)
	}
	return err
}
