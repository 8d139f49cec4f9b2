// Package leaks ends the tests of a package with the question whether a goroutine is left.
package leaks

import (
	"os"

	"go.uber.org/goleak"
)

// Main runs the tests of m, and ends the process: with 1 if they passed and left a goroutine behind.
func Main(m goleak.TestingM) { os.Exit(check(m.Run())) }

// check answers code, or 1 if it is 0 and a goroutine is left, which it names on standard error.
//
// net/http keeps a refused connection half open for half a second after everything else has ended,
// which is longer than goleak waits, and nothing of ours can end it.
func check(code int) int {
	if code != 0 {
		return code
	}
	if err := goleak.Find(goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return 0
}
