// Package config holds the options of `maru serve`: their names, defaults and
// limits, and where their values come from.
//
//	default  <  file (TOML)      <  environment          <  flag
//	25s         ping-interval="30s"  MARU_PING_INTERVAL=40s  --ping-interval 50s
//
// An option has one name, which is its flag, its key in the file and, in
// capitals with MARU_ before it, its environment variable. Unknown names are
// errors: a typing mistake must not silently leave a limit at its default. Only the
// variables that Kubernetes makes for a Service called maru are ignored.
//
// The package reads a file and nothing else. It opens no socket and imports only
// the root package of maru. Flags belong to the program: cmd/maru passes a Serve to
// its command line parser, which reads the same struct tags. It calls Load between
// the defaults and the flags, and then Check.
//
// A Serve belongs to one goroutine until it is loaded. Afterwards it does not change.
package config
