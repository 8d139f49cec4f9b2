// Command maru is the realtime server and its two tools for a shell.
//
//	maru                              the hall on http://localhost:3000, with sample prices
//	maru serve --config maru.toml     the same, with options
//	maru publish hall hello           POST one publication
//	maru subscribe hall               print a channel as it comes, through every reconnect
//
// Results go to stdout; logs and complaints go to stderr. It exits with 0 when
// all went well, 1 when something failed while it ran and 2 when it was called
// wrongly: an unknown flag, a value out of range, a bad configuration file.
//
// Each subcommand is a struct in a file of its own, with its flags as fields and
// a method Run. The options of serve live in internal/config. This package is
// the only one that parses a command line; it decides nothing about channels.
package main
