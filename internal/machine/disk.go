package machine

import (
	"errors"
	"runtime"
	"syscall"
)

// NoRoom reports whether err says that a disk, or the quota of its user, is full.
func NoRoom(err error) bool {
	const windowsDiskFull = syscall.Errno(112) // ERROR_DISK_FULL
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || runtime.GOOS == "windows" && errors.Is(err, windowsDiskFull)
}
