package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
)

// The alert of a server that asks for a certificate reaches the program as text only.
func TestAdvised(t *testing.T) {
	t.Parallel()
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}
	if err := advised(fmt.Errorf("read: %w", alert)); !errors.Is(err, alert) || !strings.Contains(err.Error(), "--client-cert") {
		t.Errorf("an alert: %v", err)
	}
	if err := advised(net.ErrClosed); err != net.ErrClosed {
		t.Errorf("another error: %v", err)
	}
}
