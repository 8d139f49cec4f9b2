package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestPlainAddressOfATLSServer(t *testing.T) {
	t.Parallel()
	secure := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--tls-self-signed")
	for _, scheme := range []string{"http", "ws"} {
		address := strings.Replace(secure.url, "https", scheme, 1)
		for _, command := range [][]string{{"subscribe", "hall"}, {"publish", "hall", "x"}} {
			if got := call(t, "", nil, append(command, "--server", address)...); got.code != exitFailure || !strings.Contains(got.stderr, "wss://") {
				t.Errorf("%s of %s: %+v", command[0], address, got)
			}
		}
	}
}

// The alert of a server that asks for a certificate reaches the program as text only.
func TestAdvised(t *testing.T) {
	t.Parallel()
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
	if err := advised(fmt.Errorf("read: %w", alert)); !errors.Is(err, alert) || !strings.Contains(err.Error(), "--client-cert") {
		t.Errorf("an alert: %v", err)
	}
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	if err := advised(refused); !errors.Is(err, refused) || !strings.Contains(err.Error(), "running") {
		t.Errorf("nothing listens: %v", err)
	}
	if err := advised(net.ErrClosed); err != net.ErrClosed {
		t.Errorf("another error: %v", err)
	}
}
