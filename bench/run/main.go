package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errUsage is wrapped by errors that the caller has to correct.
var errUsage = errors.New("usage")

type settings struct {
	runs      int
	duration  time.Duration
	cores     [2]string // of the server, of the tool
	out       string
	anew      bool
	part      part        // with all servers there are
	servers   []contender // to measure
	scenarios []scenario  // to measure
	arguments []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	r, records, err := loadAll(s.out, s.part)
	if err != nil {
		return err
	}
	if s.runs == 0 {
		return write(s.out, records)
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	programs, clean, err := build(ctx, s.servers)
	if err != nil {
		return err
	}
	defer clean()
	if s.anew {
		r.forget(s.scenarios, s.servers)
	}
	if err := r.belongs(thisMachine(), versionsOf(s.servers, programs), os.Stderr); err != nil {
		return err
	}
	// Figures from before an interruption, or a failure, are printed too.
	err = errors.Join(measureAll(ctx, s, programs, r, os.Stderr), write(s.out, records))
	r.compare(os.Stdout, s.scenarios)
	return err
}

// loadAll loads the records of all parts; r is that of the chosen one.
func loadAll(dir string, chosen part) (r *record, all []*record, err error) {
	for _, p := range parts() {
		if p.name == chosen.name {
			p = chosen
		}
		one, err := load(dir, p)
		if err != nil {
			return nil, nil, err
		}
		if p.name == chosen.name {
			r = one
		}
		all = append(all, one)
	}
	return r, all, nil
}

func versionsOf(servers []contender, p programs) map[string]string {
	all := make(map[string]string)
	for _, c := range servers {
		all[c.name] = c.version(p)
	}
	return all
}

func parse(args []string) (settings, error) {
	s := settings{arguments: quoted(args)}
	var more []func(part) contender // that the user names
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.IntVar(&s.runs, "runs", 5, "how often each is measured; 0 only writes the page from what there is")
	f.DurationVar(&s.duration, "duration", 3*time.Second, "of a measurement, where the scenario leaves it open")
	f.StringVar(&s.cores[0], "server-core", "0", "core of the server")
	f.StringVar(&s.cores[1], "tool-core", "1", "core of the load tool")
	f.StringVar(&s.out, "out", ".", "where the records, RESULTS.md and charts/ are and go; what is there is added to")
	f.BoolVar(&s.anew, "anew", false, "forget earlier measurements of these scenarios and servers")
	only := f.String("only", "", "scenarios of one part to measure, or the part: "+strings.Join(choices(), ",")+" (default: "+peersPart+")")
	chosen := f.String("contenders", "", "servers to measure: "+strings.Join(allContenders(), ",")+" (default: all of the part that are here)")
	f.Func("before", "DIR: maru as it is in another checkout, in the same rounds; what differs is printed at the end", func(dir string) error {
		more = append(more, func(p part) contender { return before(dir, p.contenders[0]) })
		return nil
	})
	f.Func("server", "NAME=COMMAND: one more, with {listen} and {mode}, fanout, echo or rooms, in its command (repeatable)", func(value string) error {
		name, command, ok := strings.Cut(value, "=")
		if !ok || name == "" || !strings.Contains(command, "{listen}") {
			return errors.New("wants NAME=COMMAND with {listen}")
		}
		more = append(more, func(p part) contender { return another(name, command, p.like) })
		return nil
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return s, err
		}
		return s, fmt.Errorf("%w: %w", errUsage, err)
	}
	if s.runs < 0 || s.duration <= 0 || f.NArg() > 0 {
		return s, fmt.Errorf("%w: --runs wants 0 or more, --duration more than 0, and nothing follows the flags", errUsage)
	}
	if s.runs > 0 {
		if err := s.possible(); err != nil {
			return s, err
		}
	}
	return s, s.choose(*only, *chosen, more)
}

// choose sets what is measured, from lists of names.
func (s *settings) choose(scenarios, servers string, more []func(part) contender) (err error) {
	if s.part, s.scenarios, err = choosePart(scenarios); err != nil {
		return err
	}
	for _, one := range more {
		s.part.contenders = append(s.part.contenders, one(s.part))
	}
	if s.servers, err = choose(s.part.contenders, servers); err != nil {
		return err
	}
	if servers == "" {
		s.servers = present(s.servers)
	}
	for _, c := range s.servers {
		if c.missing != "" {
			return fmt.Errorf("%w: %s", errUsage, c.missing)
		}
	}
	if len(s.turns(0)) == 0 && s.runs > 0 {
		return fmt.Errorf("%w: none of these servers takes part in these scenarios", errUsage)
	}
	return nil
}

// possible says what this machine lacks.
func (s settings) possible() error {
	if _, err := exec.LookPath("taskset"); err != nil {
		return fmt.Errorf("%w: taskset is needed, to give the server and the tool a core each", errUsage)
	}
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("%w: two cores are needed, one for the server and one for the tool", errUsage)
	}
	return nil
}

type named interface{ called() string }

func called[T named](all []T) []string {
	list := make([]string, 0, len(all))
	for _, one := range all {
		list = append(list, one.called())
	}
	return list
}

// choose is those of all that a list names; all if it names none.
func choose[T named](all []T, list string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var chosen []T
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(all, func(one T) bool { return one.called() == name })
		if i < 0 {
			return nil, fmt.Errorf("%w: there is no %s among %s", errUsage, name, strings.Join(called(all), ","))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// quoted is the arguments as a shell wants them.
func quoted(args []string) []string {
	all := make([]string, 0, len(args))
	for _, arg := range args {
		if strings.ContainsAny(arg, " {}") {
			arg = "'" + arg + "'"
		}
		all = append(all, arg)
	}
	return all
}

// thisMachine is without its name.
func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Processor: runtime.GOARCH, Kernel: runtime.GOOS}
	read := func(path string) []byte { content, _ := os.ReadFile(path); return content }
	for line := range bytes.Lines(read("/proc/cpuinfo")) {
		if name, value, _ := bytes.Cut(line, []byte(":")); string(bytes.TrimSpace(name)) == "model name" {
			m.Processor = string(bytes.TrimSpace(value))
			break
		}
	}
	if release := bytes.TrimSpace(read("/proc/sys/kernel/osrelease")); len(release) > 0 {
		m.Kernel = "Linux " + string(release)
	}
	var kib float64
	fmt.Sscanf(string(read("/proc/meminfo")), "MemTotal: %f kB", &kib)
	m.GiB = math.Round(kib / (1 << 20))
	return m
}
