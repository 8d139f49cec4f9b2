package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// Options are about the files of unix sockets.
type Options struct {
	// SocketMode has the permissions of the file: who may write to it may connect. Default 0660.
	SocketMode fs.FileMode
	// SocketOwner is USER, USER:GROUP or :GROUP, by name or number. Default: the user and group of
	// the process. To give the file to another user, the process needs a right of the system.
	SocketOwner string
}

// unixPrefix begins the address of a unix socket.
const unixPrefix = "unix:"

// UnixPath returns the path in the address of a unix socket.
func UnixPath(address string) (path string, isUnix bool) {
	return strings.CutPrefix(address, unixPrefix)
}

// Check reports whether address has the form HOST:PORT or unix:PATH.
func Check(address string) error {
	if path, isUnix := UnixPath(address); isUnix {
		return checkPath(path)
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address; write HOST:PORT, such as 127.0.0.1:3000, [::1]:3000 or :3000, or unix:PATH", address)
	}
	return nil
}

// Open listens on an address, HOST:PORT or unix:PATH.
func Open(address string, o Options) (net.Listener, error) {
	if err := Check(address); err != nil {
		return nil, err
	}
	if path, isUnix := UnixPath(address); isUnix {
		return openUnix(path, o)
	}
	return net.Listen("tcp", address)
}

// All opens the addresses of one option, or none of them. skip, if not nil, says that an address
// may be missing; it is asked only if another one was opened before.
func All(option string, addresses []string, o Options, skip func(address string, err error) bool) ([]net.Listener, error) {
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := Open(address, o)
		switch {
		case err == nil:
			listeners = append(listeners, l)
		case skip != nil && len(listeners) > 0 && skip(address, err):
		default:
			Close(listeners)
			return nil, fmt.Errorf("cannot listen on %s: %w; %s", address, reason(err), remedy(err, option, address))
		}
	}
	return listeners, nil
}

// Close closes listeners.
func Close(listeners []net.Listener) {
	for _, l := range listeners {
		l.Close()
	}
}

// NoSuchFamily reports whether the machine has no address of this kind, such as IPv6.
func NoSuchFamily(err error) bool {
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

// remedy says what to do about an address that cannot be listened on. Where a program has
// the port already, the suggestion is the next one.
func remedy(err error, option, address string) string {
	if _, isUnix := UnixPath(address); isUnix {
		return remedyUnix(err, option)
	}
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	switch {
	case errors.Is(err, syscall.EACCES) && port > 0 && port < 1024:
		return fmt.Sprintf("ports below 1024 need a right of the system: choose another, such as --%s %s", option, net.JoinHostPort(host, "3000"))
	case errors.Is(err, syscall.EADDRINUSE) && port > 0:
		next := strconv.Itoa(port%(1<<16-1) + 1)
		return fmt.Sprintf("another program listens there: stop it, or choose another port, such as --%s %s", option, net.JoinHostPort(host, next))
	}
	return "choose another address with --" + option
}
