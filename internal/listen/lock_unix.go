//go:build unix && !solaris && !aix

package listen

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// lock waits for the lock of a directory, but not for long: other programs could hold it. Without
// it two servers that start at the same moment may both replace a stale socket.
func lock(dir string) (unlock func()) {
	d, err := os.Open(dir)
	if err != nil {
		return func() {} // it is not there, or may not be read
	}
	for range 100 {
		if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return func() { d.Close() }
}

// closeToOthers lets only the user of the process connect to a socket that is bound later. On Linux
// the file gets these permissions (unix(7)); on systems that do not support it the umask decides.
func closeToOthers(fd uintptr) { syscall.Fchmod(int(fd), 0o600) }
