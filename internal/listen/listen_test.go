package listen

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRemedyNamesTheNextPort(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:3000": "--listen 127.0.0.1:3001", "[::1]:3000": "--listen [::1]:3001", ":65535": "--listen :1",
	} {
		if got := remedy(syscall.EADDRINUSE, "listen", address); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s", address, got)
		}
	}
}

func TestBadAddresses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for name, c := range map[string]struct {
		address string
		o       Options
		want    error
		says    string
	}{
		"no port":             {address: "127.0.0.1", says: "HOST:PORT"},
		"a port with letters": {address: ":http", says: "HOST:PORT"},
		"a taken port":        {address: taken.Addr().String(), want: syscall.EADDRINUSE, says: "--listen 127.0.0.1:"},
		"no path":             {address: "unix:", want: errNoPath},
		"an abstract name":    {address: "unix:@maru", want: errAbstract},
		"a long path":         {address: "unix:" + filepath.Join(dir, strings.Repeat("x", 108)), want: errLong},
		"no directory":        {address: "unix:" + filepath.Join(dir, "none", "s"), want: fs.ErrNotExist, says: "make its directory"},
		"a file":              {address: "unix:" + file, want: errFile, says: "remove it"},
		"a directory":         {address: "unix:" + dir, want: errFile},
		"no such user":        {address: "unix:" + filepath.Join(dir, "s"), o: Options{SocketOwner: "nobody-of-this-name"}, want: errOwner, says: "--socket-owner"},
		"no such group":       {address: "unix:" + filepath.Join(dir, "s"), o: Options{SocketOwner: ":nobody-of-this-name"}, want: errOwner},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, err := All("listen", []string{"127.0.0.1:0", c.address}, c.o, nil)
			if err == nil {
				Close(all)
				t.Fatalf("%s was opened", c.address)
			}
			if c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.address) {
				t.Error(err)
			}
		})
	}
	if kept, err := os.ReadFile(file); string(kept) != "mine" {
		t.Errorf("the file that was in the way: %q, %v", kept, err)
	}
}

// FuzzAddress reads any text as an address without a panic, and opens nothing.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{":3000", "[::1]:80", "unix:/run/s", "unix:", "unix:@s", "a:b:c", "unix:" + strings.Repeat("/", 200)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		path, isUnix := UnixPath(address)
		if err := Check(address); err == nil && isUnix && (path == "" || len(path) > maxPath || path[0] == '@') {
			t.Errorf("%q passed", address)
		}
	})
}
