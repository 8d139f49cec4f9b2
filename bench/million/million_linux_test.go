package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// asProgram makes the test binary the program itself, its roles included.
const asProgram = "MARU_MILLION_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main() // exits
	}
	if is, code := playRole(); is {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// measured runs, and skips the test where no namespace may be made.
func measured(t *testing.T, o options) report {
	t.Helper()
	o.JSON = true
	var stdout, stderr bytes.Buffer
	switch code := run(t.Context(), o, &stdout, &stderr); code {
	case 0:
	case 2:
		t.Skipf("a network namespace is needed: %s", stderr.String())
	default:
		t.Fatalf("exit code %d: %s", code, stderr.String())
	}
	var r report
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v in %s", err, stdout.String())
	}
	return r
}

// The small version of a million: more connections than one process may open
// here, or at least two processes' worth.
func TestTwentyThousand(t *testing.T) {
	o := defaults()
	o.Connections, o.PerProcess = 20_000, 10_000
	r := measured(t, o)
	if r.Processes != 2 || r.Sockets != 2*20_000+2 || r.Publish.Deliveries != 20_000 || r.Publish.Published != 2 {
		t.Errorf("%d server processes, %d sockets, %d deliveries of %d publications", r.Processes, r.Sockets, r.Publish.Deliveries, r.Publish.Published)
	}
	if each := r.Memory.ServerEach; each < 50 || each > 20_000 {
		t.Errorf("a connection costs a server %.0f bytes", each)
	}
}

// Where one process may open more connections than an address has ports.
func TestMoreThanOneAddress(t *testing.T) {
	o := defaults()
	o.Connections, o.PerAddress = 700, 300
	if r := measured(t, o); r.Sockets != 2*700+1 {
		t.Errorf("%d sockets", r.Sockets)
	}
}

func TestTimeout(t *testing.T) {
	o := defaults()
	o.Connections, o.Timeout = 20_000, 200*time.Millisecond
	var stderr strings.Builder
	switch code := run(t.Context(), o, io.Discard, &stderr); {
	case code == 2:
		t.Skipf("a network namespace is needed: %s", &stderr)
	case code != 1 || !strings.Contains(stderr.String(), "not done after 200ms"):
		t.Errorf("exit code %d: %s", code, &stderr)
	}
}

func program(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// However it ends, nothing stays behind: all its processes have the same standard
// error, which is at its end when the last of them is gone.
func TestEndsWhole(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			cmd := program(t.Context(), "--connections", "20000", "--per-process", "5000")
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(stderr)
			opens := false
			for !opens && lines.Scan() {
				if strings.Contains(lines.Text(), "namespace") {
					t.Skip(lines.Text())
				}
				opens = strings.Contains(lines.Text(), "opening")
			}
			if !opens {
				t.Fatal("it ended before it opened connections")
			}
			cmd.Process.Signal(signal)
			for lines.Scan() {
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it ended as if nothing had happened")
			}
		})
	}
}

// Without the right to a namespace nothing is started.
func TestNoNamespace(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c",
		`echo 0 >/proc/sys/user/max_net_namespaces && exec "$0" --connections 10`, os.Args[0])
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("a user namespace is needed, to take the right away in: %v", err)
	}
	if code := cmd.ProcessState.ExitCode(); code != 2 || !bytes.Contains(out, []byte("network namespace")) {
		t.Errorf("exit code %d: %s", code, out)
	}
}

func TestWrongCalls(t *testing.T) {
	for _, args := range [][]string{
		{"--connections", "0"}, {"--size", "5"}, {"--ping", "-1s"}, {"--timeout", "0"}, {"--parallel", "0"}, {"--what"}, {"more"},
	} {
		if err := program(t.Context(), args...).Run(); err == nil || err.(*exec.ExitError).ExitCode() != 2 {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestPairs(t *testing.T) {
	for _, c := range []struct {
		connections, perProcess int
		want                    []int
	}{
		{1, 10, []int{1}},
		{10, 10, []int{10}},
		{11, 10, []int{5, 6}},
		{7, 3, []int{2, 2, 3}},
	} {
		var got []int
		for _, p := range pairs(c.connections, c.perProcess) {
			got = append(got, p.count)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d in processes of %d: %v, not %v", c.connections, c.perProcess, got, c.want)
		}
	}
	if n := len(pairs(1_000_000, 19_000)); n != 53 {
		t.Errorf("a million wants %d processes", n)
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1_000_000: "1,000,000", -1000: "-1,000", -999: "-999"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %s, not %s", n, got, want)
		}
	}
}
