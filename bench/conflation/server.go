package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// process is the server, looked at from outside (proc(5)).
type process struct {
	addr string
	cmd  *exec.Cmd
}

const configuration = `
[namespaces.default]
subscribe = "anyone"
publish = "anyone"
history = "anyone"
presence = "anyone"
key_from = "/k"
`

func startServer(ctx context.Context, maru, dir string) (*process, error) {
	config := filepath.Join(dir, "maru.toml")
	if err := os.WriteFile(config, []byte(configuration), 0o600); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, maru, "serve", "--listen", "127.0.0.1:0", "--config", config)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, err
	}
	s := &process{cmd: cmd}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if _, addr, found := strings.Cut(lines.Text(), "http://"); found {
			s.addr = strings.TrimSuffix(strings.TrimSpace(addr), "/")
			return s, nil
		}
	}
	s.stop()
	return nil, fmt.Errorf("%s does not listen", maru)
}

func (s *process) stop() {
	s.cmd.Process.Signal(os.Interrupt)
	s.cmd.Wait()
}

func (s *process) field(file string, n int) int64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.cmd.Process.Pid, file))
	text := string(b)
	if i := strings.LastIndex(text, ") "); i >= 0 {
		text = text[i+2:]
	}
	if fields := strings.Fields(text); n < len(fields) {
		v, _ := strconv.ParseInt(fields[n], 10, 64)
		return v
	}
	return 0
}

// cpu is what it has used, in steps of 10 ms.
func (s *process) cpu() time.Duration {
	return time.Duration(s.field("stat", 11)+s.field("stat", 12)) * 10 * time.Millisecond
}

// memory is its resident set, in bytes.
func (s *process) memory() int64 { return s.field("statm", 1) * int64(os.Getpagesize()) }
