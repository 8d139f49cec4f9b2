package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"maru/internal/bench"
)

// Every server does what it is measured for: maru bench checks all that comes.
func TestContenders(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		t.Skip("taskset and two cores are needed")
	}
	t.Chdir("..")
	programs, clean, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer clean()
	s := settings{duration: 100 * time.Millisecond, cores: [2]string{"0", "1"}}
	// Some servers answer a handshake before they count the connection in: it settles.
	few := strings.Fields("--connections 20 --warmup 10ms --settle 300ms")
	cases := []scenario{
		{"fanout", "", "fanout", few, "fanout", false, cpu},
		{"joined", "", "fanout", append(few, "--window", "16"), "fanout", true, cpu},
		{"echo", "", "echo", few, "echo", false, cpu},
	}
	for _, server := range contenders() {
		t.Run(server.name, func(t *testing.T) {
			needs(t, server.name)
			for _, c := range cases {
				r, err := measure(t.Context(), s, programs, c, server)
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				if r.Faults.First != "" || r.Sent == 0 {
					t.Errorf("%s: %d sent, %s", c.name, r.Sent, r.Faults.First)
				}
			}
		})
	}
}

// needs makes what a server needs, or skips the test.
func needs(t *testing.T, server string) {
	switch server {
	case "limit":
		if out, err := exec.CommandContext(t.Context(), "make", "limit").CombinedOutput(); err != nil {
			t.Skipf("a C compiler and make are needed: %s", out)
		}
	case "ws", "socketio":
		if _, err := os.Stat("node_modules"); err != nil {
			t.Fatal("npm packages are missing: make -C bench npm")
		}
	}
}

func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		values []float64
		want   spread
	}{
		"none":  {nil, spread{}},
		"one":   {[]float64{7}, spread{1, 7, 7, 7}},
		"two":   {[]float64{2, 1}, spread{2, 1.25, 1.5, 1.75}},
		"three": {[]float64{3, 1, 2}, spread{3, 1.5, 2, 2.5}},
		"five":  {[]float64{50, 10, 40, 20, 30}, spread{5, 20, 30, 40}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		t.Skip("taskset and two cores are needed")
	}
	for _, args := range [][]string{
		{"--only", "nobody"}, {"--cases", "none"}, {"--runs", "0"}, {"--duration", "0"}, {"more"}, {"--server", "x"}, {"--server", "x=no address"},
	} {
		if _, err := parse(args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	s, err := parse([]string{"--server", "mine=serve {listen} {mode}", "--only", "mine,maru", "--cases", "echo"})
	if err != nil || names(s.servers) != "mine,maru" || names(s.cases) != "echo" {
		t.Fatalf("%s, %s: %v", names(s.servers), names(s.cases), err)
	}
	want := []string{"serve", "127.0.0.1:1", "echo"}
	if got := s.servers[0].command("", s.cases[0], "127.0.0.1:1"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// The page and the charts have every server, the best first, and say what failed.
func TestPage(t *testing.T) {
	s := settings{runs: 2, out: t.TempDir(), servers: contenders()[:3], cases: scenarios()}
	r := &results{of: make(map[[2]string][]*result), faults: make(map[[2]string][]string)}
	for _, c := range s.cases {
		for i, server := range s.servers[:2] {
			r.of[[2]string{c.name, server.name}] = []*result{{
				Latency: &bench.Latency{P99: float64(2000 - i)}, Opening: &bench.Opening{},
				Server: &bench.Server{PerUnit: float64(2 - i), PerConnection: float64(200 - i)},
			}}
		}
		r.faults[[2]string{c.name, s.servers[2].name}] = []string{"message 7 | was lost"}
	}
	if err := r.write(s); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(s.out, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, echo, _ := strings.Cut(string(page), "## Echo")
	limit, maru, failed := strings.Index(echo, "| limit |"), strings.Index(echo, "| **maru** |"), strings.Index(echo, `1 failed: message 7 \| was lost`)
	if !strings.Contains(echo, "| 2.00 (2.00..2.00) | 1 |") { // maru's 2 over the limit's 1
		t.Errorf("no ratio in %s", echo)
	}
	if limit < 0 || maru < limit || failed < maru {
		t.Errorf("limit at %d, maru at %d, the failed at %d of %s", limit, maru, failed, echo)
	}
	for _, c := range s.cases {
		chart, err := os.ReadFile(filepath.Join(s.out, "charts", c.name+".svg"))
		if err != nil || !strings.Contains(string(chart), ">maru<") || strings.Contains(string(chart), "NaN") {
			t.Errorf("%v: %s", err, chart)
		}
	}
}
