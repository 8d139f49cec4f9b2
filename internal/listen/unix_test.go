//go:build unix

package listen

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
)

// socketIn is the path of a socket in a short directory: a path has at most 107 bytes.
func socketIn(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "maru")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// dead leaves the socket file of a server that was killed.
func dead(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestSocketFile(t *testing.T) {
	t.Parallel()
	own := strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())
	for name, c := range map[string]struct {
		o     Options
		stale bool
		want  fs.FileMode
	}{
		"by default":          {want: 0o660},
		"with a mode":         {o: Options{SocketMode: 0o777}, want: 0o777},
		"with an owner":       {o: Options{SocketMode: 0o600, SocketOwner: own}, want: 0o600},
		"with a group":        {o: Options{SocketOwner: ":" + strconv.Itoa(os.Getgid())}, want: 0o660},
		"of a killed process": {stale: true, want: 0o660},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := socketIn(t)
			if c.stale {
				dead(t, path)
			}
			l, err := Open("unix:"+path, c.o)
			if err != nil {
				t.Fatal(err)
			}
			file, err := os.Lstat(path)
			if err != nil || file.Mode() != fs.ModeSocket|c.want {
				t.Errorf("mode %v, %v, want %v", file.Mode(), err, c.want)
			}
			if peer, err := net.Dial("unix", path); err != nil {
				t.Error(err)
			} else {
				peer.Close()
			}
			if _, err := Open("unix:"+path, c.o); !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("a second server: %v", err)
			}
			l.Close()
			if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after the end: %v", err)
			}
		})
	}
}

// Of many servers that start at once over the file of a dead one, one gets it.
func TestStartAtOnce(t *testing.T) {
	t.Parallel()
	path := socketIn(t)
	dead(t, path)
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		open []net.Listener
	)
	for range 16 {
		all.Go(func() {
			l, err := Open("unix:"+path, Options{})
			if err != nil {
				if !errors.Is(err, syscall.EADDRINUSE) {
					t.Error(err)
				}
				return
			}
			mu.Lock()
			defer mu.Unlock()
			open = append(open, l)
		})
	}
	all.Wait()
	defer Close(open)
	if len(open) != 1 {
		t.Fatalf("%d servers listen", len(open))
	}
	peer, err := net.Dial("unix", path)
	if err != nil {
		t.Fatalf("nobody can connect: %v", err)
	}
	peer.Close()
}

// A directory without a right to write is an error that says what the process needs.
func TestNoPermission(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	path := socketIn(t)
	os.Chmod(filepath.Dir(path), 0o500)
	t.Cleanup(func() { os.Chmod(filepath.Dir(path), 0o700) })
	if _, err := All("listen", []string{"unix:" + path}, Options{}, nil); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}
