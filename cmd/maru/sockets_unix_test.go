//go:build unix

package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// activated starts maru as systemd does, with sockets that are open already.
func activated(t *testing.T, names string, sockets []*os.File, args ...string) (cmd *exec.Cmd, stdout, stderr *output) {
	t.Helper()
	stdout, stderr = newOutput(), newOutput()
	// The process that exec makes has the number of the shell.
	cmd = exec.CommandContext(t.Context(), "sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, os.Args[0]}, args...)...)
	cmd.Env = append(os.Environ(), "TEST_AS_PROGRAM=1", "LISTEN_FDNAMES="+names, "LISTEN_FDS="+string(rune('0'+len(sockets))))
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stderr, sockets
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stdout, stderr
}

func tcpSocket(t *testing.T) (address string, f *os.File) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err = l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // f stays open
	t.Cleanup(func() { f.Close() })
	return l.Addr().String(), f
}

// Several sockets of systemd take the place of --listen, and the one called metrics that of
// --metrics-listen.
func TestSocketsOfSystemd(t *testing.T) {
	t.Parallel()
	one, first := tcpSocket(t)
	other, second := tcpSocket(t)
	apart, metrics := tcpSocket(t)
	cmd, stdout, stderr := activated(t, "maru.socket:metrics:maru.socket", []*os.File{first, metrics, second})
	stdout.wait(t, "curl")
	for url, want := range map[string]int{
		"http://" + one + "/":                  200,
		"http://" + other + "/":                200,
		"http://" + apart + "/metrics":         200,
		"http://" + apart + "/channels/a":      404,
		"http://" + one + "/channels/a?last=1": 200,
	} {
		if got := status(t, url); got != want {
			t.Errorf("%s: %d", url, got)
		}
	}
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK {
		t.Errorf("%v, stderr %q", err, stderr)
	}
	c, err := net.Dial("tcp", one) // it waits for the next process
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// A wrong set of sockets is an error that says what is wrong, and nothing is served.
func TestWrongSocketsOfSystemd(t *testing.T) {
	t.Parallel()
	_, tcp := tcpSocket(t)
	_, tcp2 := tcpSocket(t)
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer datagrams.Close()
	udp, err := datagrams.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	single, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	connection, err := single.(*net.TCPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for name, tt := range map[string]struct {
		names   string
		sockets []*os.File
		args    []string
		says    string
	}{
		"datagrams":       {"", []*os.File{udp}, nil, "ListenStream="},
		"a connection":    {"", []*os.File{connection}, nil, "Accept=no"},
		"a file":          {"", []*os.File{null}, nil, "not a socket"},
		"the second one":  {"a:b", []*os.File{tcp, udp}, nil, "socket 2 of systemd (b)"},
		"names":           {"a:b", []*os.File{tcp}, nil, "LISTEN_FDNAMES"},
		"listen, too":     {"", []*os.File{tcp}, []string{"--listen", "127.0.0.1:1"}, "remove listen"},
		"metrics, too":    {"metrics", []*os.File{tcp}, []string{"--metrics-listen", "127.0.0.1:1"}, "metrics-listen"},
		"metrics twice":   {"metrics:metrics", []*os.File{tcp, tcp2}, nil, "two sockets"},
		"more than there": {"", []*os.File{tcp, nil}, nil, "socket 2 of systemd"},
	} {
		cmd, _, stderr := activated(t, tt.names, tt.sockets, tt.args...)
		if err := cmd.Wait(); exitCode(err) != exitUsage || !strings.Contains(stderr.String(), tt.says) {
			t.Errorf("%s: %v, stderr %q", name, err, stderr)
		}
	}
}

// Sockets that are meant for another process are left alone, as sd_listen_fds(3) does, and the log
// says so.
func TestSocketsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	_, tcp := tcpSocket(t)
	stdout, stderr := newOutput(), newOutput()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "TEST_AS_PROGRAM=1", "LISTEN_FDS=1", "LISTEN_PID=1")
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stderr, []*os.File{tcp}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stdout.wait(t, "curl")
	cmd.Process.Signal(os.Interrupt)
	if err := cmd.Wait(); exitCode(err) != exitOK || !strings.Contains(stderr.String(), "LISTEN_PID is 1") {
		t.Errorf("%v, stderr %q", err, stderr)
	}
}
