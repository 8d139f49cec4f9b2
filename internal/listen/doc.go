// Package listen opens the listeners of the program: TCP ports, unix sockets, and those with which
// systemd has started it.
//
//	l, err := listen.Open("127.0.0.1:3000", listen.Options{})
//	l, err := listen.Open("unix:/run/maru/maru.sock", listen.Options{SocketMode: 0o660, SocketOwner: ":www-data"})
//	all, err := listen.Inherit(os.Getenv, os.Getpid())
//
// A socket file that a dead server has left is replaced; one that a living server has is an
// error. The file is removed when the listener is closed. An error says what was wrong and what to
// do, in a form that needs the name of the option before it.
//
// Everything is safe for concurrent use. The package does not accept connections.
package listen
