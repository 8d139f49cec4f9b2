//go:build unix

package server

import (
	"math"
	"syscall"
)

// reservedFiles is for everything that is not a live connection: listeners, loops, logs, and
// plain requests.
const reservedFiles = 128

// maxConnections returns what the limit on open files leaves. The Go runtime has raised the
// soft limit to the hard one. 0: there is no limit.
func maxConnections() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return max(1, int(limit.Cur)-reservedFiles)
}
