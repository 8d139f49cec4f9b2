package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	briefly = settings{duration: 100 * time.Millisecond, cores: [2]string{"0", "1"}}
	longer  = settings{duration: 2 * time.Second, cores: briefly.cores}
)

// Every server does what it is measured for: maru bench checks all that comes.
func TestContenders(t *testing.T) {
	if _, err := exec.LookPath("taskset"); err != nil || runtime.NumCPU() < 2 {
		t.Skip("taskset and two cores are needed")
	}
	t.Chdir("..")
	programs, clean, err := build(t.Context(), slices.Concat(contenders(), socketIOContenders(), clusterContenders()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clean) // when all servers have ended
	// Some servers answer a handshake before they count the connection in: it settles.
	const few = "--connections 20 --warmup 10ms"
	cases := []scenario{
		{name: "fanout", command: "fanout", args: few, mode: "fanout"},
		{name: "joined", command: "fanout", args: few + " --window 16", mode: "fanout", joins: true},
		{name: "echo", command: "echo", args: few, mode: "echo"},
	}
	for _, server := range contenders() {
		t.Run(server.name, func(t *testing.T) { works(t, programs, server, cases) })
	}
	const groups = few + " --groups 5"
	cases = []scenario{
		{name: "rooms", command: "fanout", args: groups, mode: roomsMode, by: fromWebSocket},
		{name: "upgraded", command: "fanout", args: groups, mode: roomsMode, by: fromPolling},
		{name: "connect", command: "connect", args: few, mode: roomsMode, by: fromPolling},
	}
	for _, server := range socketIOContenders() {
		t.Run("Socket.IO "+server.name, func(t *testing.T) { works(t, programs, server, cases) })
	}
	cases = []scenario{
		{name: "across", command: "fanout", args: few + " --publish-url http://{post}" + channelPath, mode: "fanout", crosses: true},
		{name: "publish", command: "publish", args: "--connections 2 --warmup 10ms", mode: "fanout", scheme: "http", elsewhere: 2},
	}
	for _, server := range clusterContenders() {
		t.Run("cluster "+server.name, func(t *testing.T) { works(t, programs, server, cases) })
	}
	for _, c := range slices.Concat(scenarios(), socketIOScenarios()) {
		if c.command != "idle" {
			continue
		}
		server := contenders()[0]
		if c.by != "" {
			server = socketIOContenders()[0]
		}
		c.args = strings.Replace(c.args, "19000", "20", 1)
		c.duration = 1500 * time.Millisecond // it tells once a second
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if f, fault, err := measure(t.Context(), briefly, programs, c, server); err != nil || fault != "" || f.RSS <= 0 {
				t.Errorf("%+v, %s, %v", f, fault, err)
			}
		})
	}
}

// works measures a server briefly; on a busy machine, longer.
func works(t *testing.T, programs programs, server contender, cases []scenario) {
	needs(t, server)
	t.Parallel() // they mostly wait
	if version := server.version(programs); version == unknown {
		t.Error(version)
	}
	for _, c := range cases {
		if !c.has(server) {
			continue
		}
		pause := func(d string) string {
			if c.command == "connect" {
				return ""
			}
			return " --settle " + d
		}
		before := c.args
		c.args = before + pause("300ms")
		f, fault, err := measure(t.Context(), briefly, programs, c, server)
		if err != nil || fault != "" {
			t.Logf("%s, once more: %v, %s", c.name, err, fault)
			c.args = before + pause("5s")
			f, fault, err = measure(t.Context(), longer, programs, c, server)
		}
		if err != nil || fault != "" || f.CPU <= 0 {
			t.Errorf("%s: %+v, %s, %v", c.name, f, fault, err)
		}
	}
}

// needs makes what a server needs, or skips the test.
func needs(t *testing.T, server contender) {
	switch server.name {
	case limitName:
		if out, err := exec.CommandContext(t.Context(), "make", "limit").CombinedOutput(); err != nil {
			t.Skipf("a C compiler and make are needed: %s", out)
		}
	case "ws", npmName:
		if _, err := os.Stat("node_modules"); err != nil {
			t.Fatal("npm packages are missing: make -C bench npm")
		}
	case uwsName, centrifugoName:
		if server.missing != "" {
			t.Skip(server.missing)
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
	t.Setenv("CENTRIFUGO", "/nowhere/centrifugo")
	for _, args := range [][]string{
		{"--contenders", "nobody"}, {"--only", "none"}, {"--runs", "-1"}, {"--duration", "0"}, {"more"}, {"--server", "x"}, {"--server", "x=no address"},
		{"--contenders", "centrifugo"}, {"--contenders", "limit", "--only", "secure"},
		{"--only", "idle,socketio-idle"}, {"--only", "socketio-idle,idle"}, {"--only", "socketio", "--contenders", "limit"},
	} {
		if _, err := parse(args); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v", args, err)
		}
	}
	s, err := parse([]string{"--server", "mine=serve {listen} {mode}", "--contenders", "mine,maru", "--only", "echo"})
	if err != nil || !slices.Equal(called(s.servers), []string{"mine", "maru"}) || !slices.Equal(called(s.scenarios), []string{"echo"}) {
		t.Fatalf("%v, %v: %v", called(s.servers), called(s.scenarios), err)
	}
	want := []string{"serve", "127.0.0.1:1", "echo"}
	if got := s.servers[0].command("", s.scenarios[0], "127.0.0.1:1"); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if s, err = parse(nil); err != nil || slices.Contains(called(s.servers), "centrifugo") {
		t.Errorf("%v: %v", called(s.servers), err)
	}
}

// All servers of a scenario are measured in turn, another one first in each round.
func TestTurns(t *testing.T) {
	all := scenarios()
	s := settings{runs: 2, scenarios: []scenario{all[0], all[len(all)-1]}, servers: contenders()[:4]}
	var got []string
	for _, turn := range s.turns(7) {
		got = append(got, fmt.Sprint(turn.round, turn.scenario.name, turn.server.name))
	}
	want := []string{
		"7fanoutlimit", "7fanoutuws", "7fanoutmaru", "7pingsmaru", // three take part, without echo's goroutines
		"8fanoutuws", "8fanoutmaru", "8fanoutlimit", "8pingsmaru",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestCounted(t *testing.T) {
	whole := "# started\n3,,syscalls:sys_enter_write,1,100.00,,\n0,,syscalls:sys_enter_writev,1,100.00,,\n40,,syscalls:sys_enter_sendto,1,100.00,,\n" +
		"0,,syscalls:sys_enter_sendmsg,1,100.00,,\n1,,syscalls:sys_enter_sendmmsg,1,100.00,,\n2,,syscalls:sys_enter_io_uring_enter,1,100.00,,\n"
	if n, err := counted(whole); n != 46 || err != nil {
		t.Errorf("%v, %v", n, err)
	}
	for _, bad := range []string{"", "event syntax error", strings.Replace(whole, "40,", "<not supported>,", 1), whole[:60]} {
		if n, err := counted(bad); err == nil {
			t.Errorf("%q: %v", bad, n)
		}
	}
}

// A server has time to end its start before it collects, and time to collect.
func TestSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked time.Duration
		err := settled(t.Context(), func() error {
			asked = time.Since(began)
			return nil
		})
		if took := time.Since(began); err != nil || asked != settleFor || took != 2*settleFor {
			t.Errorf("asked after %v, done after %v: %v", asked, took, err)
		}
		if err := settled(t.Context(), func() error { return io.ErrClosedPipe }); err != io.ErrClosedPipe {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), settleFor/2)
		defer cancel()
		if err := settled(ctx, func() error { t.Error("asked"); return nil }); err != context.DeadlineExceeded {
			t.Error(err)
		}
	})
}

// pieces is a record of six rounds, by turns: maru needs 1 and 1.5, the limit 2 and 4,
// uws 3 and 4; another server failed.
func pieces() *record {
	r := &record{part: parts()[0], Versions: map[string][]string{maruName: {"1", "2"}}, Series: []series{{Arguments: []string{"--runs", "2"}}}}
	for _, s := range scenarios() {
		for round := range 6 {
			for i, server := range []string{maruName, limitName, uwsName} {
				v := [][]float64{{1, 1.5}, {2, 4}, {3, 4}}[i][round%2]
				r.Measurements = append(r.Measurements, measurement{Scenario: s.name, Contender: server, Round: round, Figures: &figures{
					CPU: v, User: v, Rate: v, P50: v * 1e3, P99: v * 1e3, P999: v * 1e3, Memory: v, RSS: v, Opening: v, Share: v / 100, Writes: v,
				}})
			}
			r.Measurements = append(r.Measurements, measurement{Scenario: s.name, Contender: "gws", Round: round, Fault: "message 7 | was lost"})
		}
	}
	return r
}

func TestStanding(t *testing.T) {
	r, s := pieces(), scenarios()[0]
	is := func(want string) {
		t.Helper()
		if got := r.standing(s, cpu).String(); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
	is("ahead of limit, uws")
	for i, want := range []string{"", "level with limit, uws", "", "", "", "behind limit, uws"} {
		r.Measurements[4*i].Figures.CPU = 5 // maru's, one round after the other
		if want != "" {
			is(want)
		}
	}
	r.Measurements[0].Figures, r.Measurements[4].Figures = nil, nil
	is("too few runs to say beside limit, uws")
	r.Measurements[8].Figures = nil
	for round := range 3 { // which the others are not in
		r.Measurements = append(r.Measurements, measurement{Scenario: s.name, Contender: maruName, Round: 6 + round, Figures: &figures{CPU: 0.5}})
	}
	is("too few runs to say beside limit, uws")
	// The ratio is of figures of the same round.
	if got := r.ratio(entry{s.name, limitName}, entry{s.name, uwsName}, cpu); got.n != 6 || got.low >= got.upper || got.upper > 1 {
		t.Errorf("%+v", got)
	}
	r = pieces()
	if got, ratio := r.reached(goal{scenario: "fanout", figure: cpu, over: entry{"fanout", limitName}, most: 0.4375}); got != "yes" || ratio.median != 0.4375 {
		t.Errorf("%s, %+v", got, ratio)
	}
	if got, _ := r.reached(goal{scenario: "fanout", figure: cpu, over: entry{"fanout", limitName}, most: 0.4375, below: true}); got != "**no**" {
		t.Error(got)
	}
	if got, _ := r.reached(goal{scenario: "fanout", figure: cpu, over: entry{"fanout", "gws"}, most: 1}); got != "not measured" {
		t.Error(got)
	}
	r.Measurements[0].Figures, r.Measurements[4].Figures = nil, nil
	for most, want := range map[float64]string{1: "yes, by 4 runs", 0: "**no**, by 4 runs"} {
		if got, _ := r.reached(goal{scenario: "fanout", figure: cpu, over: entry{"fanout", limitName}, most: most}); got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}

// Every goal is about figures that its scenario has.
func TestGoals(t *testing.T) {
	for _, p := range parts() {
		for _, g := range p.goals {
			i := slices.IndexFunc(p.scenarios, func(s scenario) bool { return s.name == g.scenario })
			if i < 0 || !slices.ContainsFunc(p.scenarios[i].figures, func(f figure) bool { return f.title == g.figure.title }) {
				t.Errorf("%s: %s of %s", g.title, g.figure.title, g.scenario)
			}
		}
	}
}

// A saved record is loaded; a later piece is added, and a piece of another machine is
// refused.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	r, err := load(dir, parts()[0])
	if err != nil || len(r.Measurements) != 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := r.save(dir); err != nil { // with nothing in it, too
		t.Fatal(err)
	}
	here := machine{Processor: "x", Cores: 2}
	r = pieces()
	r.Machine = here
	if err := r.save(dir); err != nil {
		t.Fatal(err)
	}
	again, err := load(dir, parts()[0])
	if err != nil || len(again.Measurements) != len(r.Measurements) || again.rounds() != 6 || *again.Measurements[3*2].Figures != *r.Measurements[3*2].Figures {
		t.Fatalf("%+v, %v", again, err)
	}
	if err := again.belongs(here, map[string]string{maruName: "3", limitName: "gcc"}, io.Discard); err != nil ||
		!slices.Equal(again.Versions[maruName], []string{"1", "2", "3"}) || !slices.Equal(again.Versions[limitName], []string{"gcc"}) {
		t.Errorf("%v, %v", again.Versions, err)
	}
	if err := again.belongs(machine{Processor: "y"}, nil, io.Discard); !errors.Is(err, errUsage) {
		t.Error(err)
	}
	again.forget(scenarios()[:1], contenders()[:1])
	if len(again.of("fanout", maruName)) != 0 || len(again.of("fanout", limitName)) != 6 || len(again.of("echo", maruName)) != 6 {
		t.Errorf("%+v", again.Measurements)
	}
	if err := os.WriteFile(filepath.Join(dir, r.part.file), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := load(dir, parts()[0]); !errors.Is(err, errUsage) {
		t.Error(err)
	}
}

// An interruption keeps what there is.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := pieces()
	before := len(r.Measurements)
	s := settings{runs: 1, out: t.TempDir(), scenarios: scenarios()[:1], servers: []contender{another("mine", "sleep {listen}", contender{})}, cores: [2]string{"0", "1"}}
	if err := measureAll(ctx, s, "", r, io.Discard); err == nil || len(r.Measurements) != before {
		t.Errorf("%d, not %d: %v", len(r.Measurements), before, err)
	}
}

// The page and the charts have every server, the best first, and say what failed.
func TestPage(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, []*record{pieces(), {part: socketIOPart()}}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	for _, want := range []string{
		"| CPU of a delivery to 1,000, one at a time, µs | 1.25 | 3.00 | 3.50 | | 0.44 (0.38..0.50) | at most 1.1 of the limit's | yes |",
		"- Not reached: user CPU of a delivery to 10,000, one at a time, µs, at most 0.4",
		"Nowhere in these measurements.",
		"| 1; 2 |",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if strings.Contains(page, "Socket.IO\n") {
		t.Error("a part that was not measured has a heading")
	}
	_, echo, _ := strings.Cut(page, "## Echo")
	maru, limit, failed := strings.Index(echo, "| **maru** |"), strings.Index(echo, "| limit |"), strings.Index(echo, `6 failed: message 7 \| was lost`)
	if maru < 0 || limit < maru || failed < limit {
		t.Errorf("maru at %d, limit at %d, the failed at %d of %s", maru, limit, failed, echo)
	}
	for _, s := range scenarios() {
		chart, err := os.ReadFile(filepath.Join(dir, "charts", s.name+".svg"))
		if err != nil || !strings.Contains(string(chart), ">maru<") || strings.Contains(string(chart), "NaN") {
			t.Errorf("%v: %s", err, chart)
		}
	}
}
