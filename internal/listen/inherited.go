package listen

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Inherited is a listening socket with which the process was started. It stays open when the
// process ends, because systemd holds it too, so connections wait for the next process.
type Inherited struct {
	// Name is the socket's FileDescriptorName, by default the name of its unit, such as
	// maru.socket. Empty: LISTEN_FDNAMES is not set.
	Name     string
	Listener net.Listener
}

// ErrOtherProcess says that the sockets are for another process. The error that wraps it names
// both.
var ErrOtherProcess = errors.New("the sockets are for another process")

const (
	firstInherited = 3    // SD_LISTEN_FDS_START
	maxInherited   = 1024 // a number beyond is no number of sockets
)

// Inherit returns the sockets of systemd's socket activation, in the order of the unit: LISTEN_FDS,
// LISTEN_PID and LISTEN_FDNAMES, as sd_listen_fds(3) describes them. There are none without
// LISTEN_FDS. Each must be a listening stream socket. It is called once in the life of a process,
// which is self.
func Inherit(getenv func(string) string, self int) ([]Inherited, error) {
	names, err := inherited(getenv("LISTEN_FDS"), getenv("LISTEN_PID"), getenv("LISTEN_FDNAMES"), self)
	if err != nil {
		return nil, err
	}
	var all []Inherited
	for i, name := range names {
		l, err := take(firstInherited+i, name)
		if err != nil {
			for _, before := range all {
				before.Listener.Close()
			}
			return nil, fmt.Errorf("socket %d of systemd%s: %w", i+1, called(name), err)
		}
		all = append(all, Inherited{name, l})
	}
	return all, nil
}

// inherited returns the name of each socket that the variables announce.
func inherited(fds, pid, names string, self int) ([]string, error) {
	if fds == "" {
		return nil, nil
	}
	// A variable that is meant for a parent, such as a shell, says nothing about this process.
	if owner, err := strconv.Atoi(pid); err != nil || owner <= 0 {
		return nil, fmt.Errorf("LISTEN_PID is %q, not the number of a process: the sockets of LISTEN_FDS are given with it (sd_listen_fds(3))", pid)
	} else if owner != self {
		return nil, fmt.Errorf("LISTEN_PID is %d, but this process is %d: %w; in a script, start maru with exec", owner, self, ErrOtherProcess)
	}
	n, err := strconv.Atoi(fds)
	if err != nil || n < 0 || n > maxInherited {
		return nil, fmt.Errorf("LISTEN_FDS is %q, not a number of sockets from 0 to %d", fds, maxInherited)
	}
	if names == "" {
		return make([]string, n), nil
	}
	all := strings.Split(names, ":")
	if len(all) != n {
		return nil, fmt.Errorf("LISTEN_FDNAMES has %d names (%s), but LISTEN_FDS is %d: give each socket one name", len(all), names, n)
	}
	return all, nil
}

func called(name string) string {
	if name == "" {
		return ""
	}
	return fmt.Sprintf(" (%s)", name)
}
