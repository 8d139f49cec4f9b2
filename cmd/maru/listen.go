package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"syscall"

	"maru.example/maru/internal/config"
)

// listen binds every address or none. With the default addresses a machine without IPv6 is
// not an error.
func listen(addresses []string, log *slog.Logger) ([]net.Listener, error) {
	optional := slices.Equal(addresses, config.Defaults().Listen)
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case optional && len(listeners) > 0 && noSuchFamily(err):
			log.Info("not listening on IPv6: this machine has none", "address", address)
		default:
			closeAll(listeners)
			return nil, fmt.Errorf("cannot listen on %s: %w; choose another address", address, reason(err))
		}
	}
	return listeners, nil
}

func noSuchFamily(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// reason removes the address that package net adds, since our message names it.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}
