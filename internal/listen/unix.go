package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// maxPath is the longest path of a unix socket, in bytes: 107 on Linux, 103 on macOS.
const maxPath = len(syscall.RawSockaddrUnix{}.Path) - 1

const defaultMode fs.FileMode = 0o660

// probeTimeout is how long a server may take to accept a connection. A connect to a unix socket
// does not wait, unless the server's queue is full: then it lives.
const probeTimeout = time.Second

var (
	errNoPath   = errors.New("the address has no path: write unix:/run/maru/maru.sock")
	errAbstract = errors.New("a name that begins with @ is not in the file system, so everybody on the machine could connect: give a path")
	errLong     = errors.New("the path is too long for a unix socket")
	errFile     = errors.New("there is a file that is no socket")
)

func checkPath(path string) error {
	switch {
	case path == "":
		return errNoPath
	case path[0] == '@':
		return errAbstract
	case len(path) > maxPath:
		return fmt.Errorf("%w: %d bytes, but the system takes %d", errLong, len(path), maxPath)
	}
	return nil
}

// openUnix listens on a file. The lock of its directory lets several starting servers see one after
// the other whether the file belongs to a living server.
func openUnix(path string, o Options) (net.Listener, error) {
	user, group, err := owner(o.SocketOwner)
	if err != nil {
		return nil, err
	}
	defer lock(filepath.Dir(path))()
	if err := removeStale(path); err != nil {
		return nil, err
	}
	// Nobody else may connect before the file has its mode and owner.
	closed := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return c.Control(closeToOthers) }}
	l, err := closed.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	mode := o.SocketMode.Perm()
	if mode == 0 {
		mode = defaultMode
	}
	if user >= 0 || group >= 0 {
		err = os.Chown(path, user, group)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// removeStale removes the socket of a server that is dead. The file of a living one is
// EADDRINUSE.
func removeStale(path string) error {
	file, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case file.Mode()&fs.ModeSocket == 0:
		return errFile
	}
	c, err := net.DialTimeout("unix", path, probeTimeout)
	switch {
	case err == nil:
		c.Close()
		return syscall.EADDRINUSE
	case errors.Is(err, syscall.ECONNREFUSED):
		return os.Remove(path)
	case errors.Is(err, fs.ErrNotExist): // its server has just removed it
		return nil
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, os.ErrDeadlineExceeded):
		return syscall.EADDRINUSE // too busy to accept, but alive
	}
	return err
}

func remedyUnix(err error, option string) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "another server listens there: stop it, or choose another path with --" + option
	case errors.Is(err, fs.ErrNotExist):
		return "make its directory, for maru's user"
	case errors.Is(err, errOwner):
		return "write --socket-owner USER:GROUP with a user and a group of this machine"
	case errors.Is(err, fs.ErrPermission):
		return "maru's user may not do this: it needs to write to the directory, and to be in the group of --socket-owner"
	case errors.Is(err, errFile):
		return "remove it, or choose another path with --" + option
	}
	return "choose another path with --" + option
}
