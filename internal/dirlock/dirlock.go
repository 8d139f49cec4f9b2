// Package dirlock locks a directory against other processes, also where nothing can be
// written.
//
//	lock, err := dirlock.Take("/var/lib/maru")
//	defer lock.Unlock()
//
// The lock is on the file DIR/lock. The file stays after Unlock, since removing it could
// remove the lock of another process. Where it does not exist and cannot be made, the lock
// is on the directory itself. The end of the process frees it in any case. A Lock is safe for
// concurrent use. It is no lock against other goroutines that know the Lock.
package dirlock

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// Name is the name of the file in the directory.
const Name = "lock"

var errInUse = errors.New("the directory is in use by another process; stop that process or use another directory")

// A Lock is a locked directory. Make one with Take.
type Lock struct{ file *flock.Flock }

// Unlock frees the directory. A second call does nothing.
func (l *Lock) Unlock() error { return l.file.Unlock() }

// Take locks the directory, which must exist. It does not wait: if another process, or this
// one, holds the lock, that is the error.
func Take(dir string) (*Lock, error) {
	l := flock.New(filepath.Join(dir, Name))
	taken, err := l.TryLock()
	if err != nil {
		if _, missing := os.Stat(filepath.Join(dir, Name)); missing != nil {
			l = flock.New(dir, flock.SetFlag(os.O_RDONLY))
			taken, err = l.TryLock()
		}
	}
	if err == nil && !taken {
		err = errInUse
	}
	if err != nil {
		return nil, err
	}
	return &Lock{l}, nil
}
