package front_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
)

// A handshake may come in any two reads, and a byte a read, with a frame behind it or
// without. The test uses a Unix socket, whose queue shows when the bytes written have been
// read.
func TestSplitReads(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	e := loop.New(loop.Options{})
	h := &http.Server{MaxHeaderBytes: 16 << 10, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if up, err := handshake.Accept(w, r, handshake.Options{}); err == nil {
			e.Open(up.Conn, up.Buffered, loop.Params{Preface: up.Answer}, func(c loop.Conn) loop.Handler { return echo{c} })
		}
	})}
	h.ReadHeaderTimeout = patience
	ended := make(chan error, 1)
	go func() { ended <- front.Serve(nil, e, h, l, slog.New(slog.DiscardHandler)) }()
	defer func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		h.Close()
		e.Shutdown(over, 1001, "")
		<-ended
	}()
	whole := upgradeTo("/ws") + helloFrame
	pieces := [][]string{strings.Split(whole, "")}
	for at := 1; at < len(whole); at++ {
		pieces = append(pieces, []string{whole[:at], whole[at:]})
	}
	for _, pieces := range pieces {
		nc, err := net.Dial("unix", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if got := talkOver(t, readEach{nc.(*net.UnixConn)}, "hello", pieces...); !strings.HasPrefix(got, "HTTP/1.1 101 ") || !strings.HasSuffix(got, "hello") {
			t.Errorf("%.40q and so on: got %.300q", pieces, got)
		}
	}
}

// readEach is a connection whose writes return when they have been read.
type readEach struct{ *net.UnixConn }

func (c readEach) Write(b []byte) (int, error) {
	n, err := c.UnixConn.Write(b)
	if err != nil {
		return n, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return n, err
	}
	for late := time.Now().Add(patience); time.Now().Before(late); {
		unread := 0
		var ioctl error
		raw.Control(func(fd uintptr) { unread, ioctl = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
		if ioctl != nil || unread == 0 {
			return n, ioctl
		}
	}
	return n, fmt.Errorf("of %d bytes some were not read", n)
}
