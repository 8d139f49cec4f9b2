// Command maru is the realtime server, and tools for a shell.
//
//	maru                              the hall on http://localhost:3000, with sample prices
//	maru serve --config maru.toml     the same, with options
//	maru publish hall hello           POST one publication
//	maru subscribe hall               print a channel live, across reconnects
//	maru healthcheck                  exit with 0 if the server works
//
// Results go to stdout, logs and errors to stderr. The exit status is 0 for success, 1
// for a failure while it ran, and 2 for a mistake in the call: an unknown flag, a value
// out of range, a bad configuration file.
//
// Each subcommand is a struct in a file of its own, with its flags as fields and a method
// Run. The options of serve are in internal/config. Only this package parses a command
// line. It decides nothing about channels.
package main
