package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"maru.example/maru/internal/bench"
)

type options struct {
	maru                         string
	keys, perSecond              int
	normal, slow, bytesPerSecond int
	round                        time.Duration
	rounds                       int
}

func main() {
	var o options
	flag.StringVar(&o.maru, "maru", "", "the server's program (default: it is built)")
	flag.IntVar(&o.keys, "keys", 1000, "keys that change")
	flag.IntVar(&o.perSecond, "per-second", 20, "changes of each in a second")
	flag.IntVar(&o.normal, "normal", 200, "readers that read all")
	flag.IntVar(&o.slow, "slow", 50, "readers that are slow")
	flag.IntVar(&o.bytesPerSecond, "bytes", 2000, "bytes that a slow one reads in a second")
	flag.DurationVar(&o.round, "round", 10*time.Second, "length of a round")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each kind, in turn")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	text, err := run(ctx, o, func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) })
	fmt.Print(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// figures are of one round.
type figures struct {
	late      bench.Histogram // of the normal readers
	changes   int64           // of all keys
	delivered uint64          // to the normal readers
	slowly    uint64          // to the slow ones, until the round's end
	cpu       time.Duration   // of the server
	memory    []int64         // its RSS, once a second
}

func run(ctx context.Context, o options, progress func(string, ...any)) (string, error) {
	dir, err := os.MkdirTemp("", "conflation")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if o.maru == "" {
		module := ".." // bench is a module of its own; in its tests, a folder deeper
		if _, err := os.Stat("../cmd/maru"); err != nil {
			module = "../.."
		}
		o.maru = filepath.Join(dir, "maru")
		build := exec.CommandContext(ctx, "go", "build", "-o", o.maru, "./cmd/maru")
		build.Dir = module
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
	}
	s, err := startServer(ctx, o.maru, dir)
	if err != nil {
		return "", err
	}
	defer s.stop()

	quotes := newMarket(s.addr, o.keys)
	var normal []*reader
	for range o.normal {
		r, err := dial(s.addr, quotes, false)
		if err != nil {
			return "", err
		}
		defer r.close()
		normal = append(normal, r)
	}
	if err := quotes.open(ctx, o.perSecond); err != nil {
		return "", err
	}
	defer quotes.close()

	var alone, together []*figures
	for i := range 2 * o.rounds {
		slow := 0
		if i%2 == 1 {
			slow = o.slow
		}
		f, err := round(ctx, o, s, quotes, normal, slow)
		if err != nil {
			return "", err
		}
		progress("round %d, %d slow: p50 %v, p99 %v, %d delivered, CPU %v", i+1, slow,
			f.late.Quantile(0.5).Round(10*time.Microsecond), f.late.Quantile(0.99).Round(10*time.Microsecond), f.delivered, f.cpu.Round(time.Millisecond))
		if slow == 0 {
			alone = append(alone, f)
		} else {
			together = append(together, f)
		}
	}
	return report(o, alone, together), nil
}

// round lets the quotes change for a while, with so many slow readers, and then waits
// until everybody has the final values.
func round(ctx context.Context, o options, s *process, quotes *market, normal []*reader, slow int) (*figures, error) {
	var slowly []*reader
	for range slow {
		r, err := dial(s.addr, quotes, true)
		if err != nil {
			return nil, err
		}
		defer r.close()
		slowly = append(slowly, r)
	}
	f := new(figures)
	var wg sync.WaitGroup
	stop, done := make(chan struct{}), make(chan struct{})
	for _, r := range slowly {
		wg.Go(func() { r.trickle(stop, o.bytesPerSecond) })
	}
	for _, r := range normal {
		wg.Go(func() { r.read(done) })
	}
	before := s.cpu()
	changed := quotes.changes()
	quotes.run(stop)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for end := time.After(o.round); ; {
		select {
		case <-tick.C:
			f.memory = append(f.memory, s.memory())
			continue
		case <-end:
		case <-ctx.Done():
		}
		break
	}
	close(stop)
	quotes.wait()
	f.changes = quotes.changes() - changed
	close(done)
	f.cpu = s.cpu() - before
	for _, r := range slowly {
		f.slowly += r.count()
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, r := range slowly {
		wg.Go(func() {
			r.nc.(*net.TCPConn).SetReadBuffer(1 << 20)
			r.read(done) // as fast as it can, to the final values
		})
	}
	wg.Wait()
	for _, r := range append(slowly, normal...) {
		if r.err != nil {
			return nil, fmt.Errorf("a reader, slow %t: %w", r.slow, r.err)
		}
	}
	for _, r := range normal {
		f.late.Add(&r.late)
		f.delivered += r.count()
		r.reset()
	}
	return f, nil
}

func report(o options, alone, together []*figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d keys × %d changes a second to %d readers; medians of %d rounds of %v each, in turn\n\n", o.keys, o.perSecond, o.normal, o.rounds, o.round)
	fmt.Fprintf(&b, "| | without slow readers | with %d that read %d B/s |\n|---|---|---|\n", o.slow, o.bytesPerSecond)
	row := func(name string, value func(f *figures) string) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, value(middle(alone)), value(middle(together)))
	}
	ms := func(q float64) func(f *figures) string {
		return func(f *figures) string { return fmt.Sprintf("%.2f ms", f.late.Quantile(q).Seconds()*1000) }
	}
	row("p50 of the normal readers", ms(0.5))
	row("p99", ms(0.99))
	row("p99.9", ms(0.999))
	row("deliveries a second to them", func(f *figures) string { return fmt.Sprintf("%.0f", float64(f.delivered)/o.round.Seconds()) })
	row("of those that there were", func(f *figures) string {
		return fmt.Sprintf("%.2f %%", 100*float64(f.delivered)/float64(f.changes)/float64(o.normal))
	})
	row("CPU of the server, of a core", func(f *figures) string { return fmt.Sprintf("%.0f %%", 100*f.cpu.Seconds()/o.round.Seconds()) })
	row("memory of the server, from – to in the round", func(f *figures) string {
		return fmt.Sprintf("%.1f – %.1f MB", float64(slices.Min(f.memory))/1e6, float64(slices.Max(f.memory))/1e6)
	})
	row("values that a slow reader got, of those there were", func(f *figures) string {
		if f.slowly == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f %%", 100*float64(f.slowly)/float64(f.changes)/float64(o.slow))
	})
	return b.String()
}

// middle is the round whose p99 is the median.
func middle(all []*figures) *figures {
	sorted := slices.SortedFunc(slices.Values(all), func(a, b *figures) int { return int(a.late.Quantile(0.99) - b.late.Quantile(0.99)) })
	return sorted[len(sorted)/2]
}
