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

// listen binds every address or none. Where nothing else was asked for, a
// machine without IPv6 is no fault.
func listen(addresses []string, log *slog.Logger) ([]net.Listener, error) {
	optional := slices.Equal(addresses, config.Defaults().Listen)
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case optional && len(listeners) > 0 && noSuchFamily(err):
			log.Info("no IPv6 on this machine", "address", address)
		default:
			closeAll(listeners)
			return nil, fmt.Errorf("cannot listen on %s: %w", address, reason(err))
		}
	}
	return listeners, nil
}

func noSuchFamily(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// reason takes off what net says of the address, which is said already.
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
