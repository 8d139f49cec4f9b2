// Package listen takes over the sockets with which systemd has started the process.
//
// Everything is safe for concurrent use. The package does not accept connections.
package listen
