package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"syscall"

	"maru.example/maru/internal/config"
)

// listenAll binds every address of a flag, or none. With the default addresses a machine
// without IPv6 is not an error.
func listenAll(flag string, addresses []string, log *slog.Logger) ([]net.Listener, error) {
	optional := slices.Equal(addresses, config.Defaults().Listen)
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case optional && len(listeners) > 0 && noSuchFamily(err):
			log.Info("not listening on IPv6: this machine has none", slog.String("address", address))
		default:
			closeAll(listeners)
			return nil, fmt.Errorf("cannot listen on %s: %w; %s", address, reason(err), remedy(err, flag, address))
		}
	}
	return listeners, nil
}

// remedy says what to do about an address that cannot be listened on. Where a program has
// the port already, the suggestion is the next one.
func remedy(err error, flag, address string) string {
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	switch {
	case errors.Is(err, syscall.EACCES) && port > 0 && port < 1024:
		return fmt.Sprintf("ports below 1024 need a right of the system: choose another, such as --%s %s", flag, net.JoinHostPort(host, "3000"))
	case errors.Is(err, syscall.EADDRINUSE) && port > 0:
		next := strconv.Itoa(port%(1<<16-1) + 1)
		return fmt.Sprintf("another program listens there: stop it, or choose another port, such as --%s %s", flag, net.JoinHostPort(host, next))
	}
	return "choose another address with --" + flag
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
