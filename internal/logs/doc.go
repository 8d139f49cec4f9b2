// Package logs makes the log of a server fit to be read while somebody floods it.
//
//	log := slog.New(logs.New(handler))
//	…
//	handler.Flush()
//
// A client can cause some lines as often as it likes. So of each kind of line at most PerSecond about
// one address, and MostPerSecond in all, are written in a second, and then one that says how many were
// left out:
//
//	level=WARN msg="log lines left out" of=refused code=rate_limited left_out=812 seconds=1
//
// Lines with the same message and the same code are of one kind, so that a flood of one kind does
// not hide others. The address is in the attribute addr: the flood of one caller does not hide what
// happens to others. Errors are written as one line of text: the libraries of the store print a stack
// trace with %+v, which slog.TextHandler uses.
//
// ErrorLog is for net/http, which has only one method for everything.
//
// Everything is safe for concurrent use. Handler.mu is not held while the next handler runs.
package logs
