package swarm

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Usage is the resource usage of this process.
type Usage struct {
	User, System time.Duration
}

// Used is the process's CPU time so far (getrusage(2)).
func Used(tb testing.TB) Usage {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return Usage{time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())}
}

// Resident is the process's resident memory in bytes, after a collection, with all free memory
// returned to the system (VmRSS, proc(5)).
func Resident(tb testing.TB) int {
	debug.FreeOSMemory()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		tb.Fatal("no VmRSS in /proc/self/status")
	}
	kib, err := strconv.Atoi(fields[0])
	if err != nil {
		tb.Fatal(err)
	}
	return kib << 10
}
