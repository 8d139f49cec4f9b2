package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errUsage is wrapped by what the caller has to change.
var errUsage = errors.New("usage")

type settings struct {
	runs      int
	duration  time.Duration
	cores     [2]string // of the server, of the tool
	out       string
	servers   []contender
	cases     []scenario
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
	programs, clean, err := build(ctx)
	if err != nil {
		return err
	}
	defer clean()
	results, err := measureAll(ctx, s, programs)
	if err != nil {
		return err
	}
	return results.write(s)
}

func parse(args []string) (settings, error) {
	s := settings{servers: contenders(), cases: scenarios(), arguments: args}
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	f.IntVar(&s.runs, "runs", 5, "how often each is measured")
	f.DurationVar(&s.duration, "duration", 3*time.Second, "of a measurement")
	f.StringVar(&s.cores[0], "server-core", "0", "core of the server")
	f.StringVar(&s.cores[1], "tool-core", "1", "core of the load tool")
	f.StringVar(&s.out, "out", ".", "where RESULTS.md and charts/ go")
	only := f.String("only", "", "servers to measure: "+names(s.servers)+" (default: all)")
	chosen := f.String("cases", "", "cases to measure: "+names(s.cases)+" (default: all)")
	f.Func("server", "NAME=COMMAND: one more, with {listen} and {mode}, fanout or echo, in its command (repeatable)", func(value string) error {
		name, command, ok := strings.Cut(value, "=")
		if !ok || name == "" || !strings.Contains(command, "{listen}") {
			return errors.New("wants NAME=COMMAND with {listen}")
		}
		s.servers = append(s.servers, another(name, command))
		return nil
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return s, err
		}
		return s, fmt.Errorf("%w: %w", errUsage, err)
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return s, fmt.Errorf("%w: taskset is needed, to give the server and the tool a core each", errUsage)
	}
	if runtime.NumCPU() < 2 {
		return s, fmt.Errorf("%w: two cores are needed, one for the server and one for the tool", errUsage)
	}
	if s.runs < 1 || s.duration <= 0 || f.NArg() > 0 {
		return s, fmt.Errorf("%w: --runs and --duration want more than 0, and nothing follows the flags", errUsage)
	}
	var err error
	if s.servers, err = choose(s.servers, *only); err != nil {
		return s, err
	}
	s.cases, err = choose(s.cases, *chosen)
	return s, err
}

type named interface{ called() string }

func names[T named](all []T) string {
	var list []string
	for _, one := range all {
		list = append(list, one.called())
	}
	return strings.Join(list, ",")
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
			return nil, fmt.Errorf("%w: there is no %s among %s", errUsage, name, names(all))
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
