// Package config holds the options of `maru serve`: their names, defaults and
// limits, and where their values come from.
//
//	default  <  file (TOML)      <  environment          <  flag
//	25s         ping-interval="30s"  MARU_PING_INTERVAL=40s  --ping-interval 50s
//
// An option has one name, which is its flag, its key in the file and, in
// capitals with MARU_ before it, its environment variable. Whatever is not
// known is an error: a typing mistake must not quietly leave a limit at its
// default.
//
// The package reads a file and nothing else; it opens no socket and knows no
// other package of maru. Flags are the program's: cmd/maru hands a Serve to its
// command line parser, which reads the same struct tags, and calls Load between
// the defaults and the flags, then Check.
//
// A Serve is one goroutine's until it is loaded; afterwards nobody changes it.
package config
