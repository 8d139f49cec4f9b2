//go:build unix

package bench

import (
	"math"
	"syscall"
	"time"
)

// openFiles is how many files this process may open; the Go runtime has raised
// the soft limit to the hard one. 0: no limit is known.
func openFiles() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || uint64(limit.Cur) > math.MaxInt32 {
		return 0
	}
	return int(limit.Cur)
}

// ownCPU is the CPU time of this process (getrusage(2)).
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
