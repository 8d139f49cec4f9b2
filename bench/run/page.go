package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// write writes RESULTS.md, and a chart for each scenario that was measured.
func write(dir string, records []*record) error {
	charts := filepath.Join(dir, "charts")
	if err := os.MkdirAll(charts, 0o755); err != nil {
		return err
	}
	for _, r := range records {
		for _, s := range r.measured() {
			if err := replace(filepath.Join(charts, s.name+".svg"), []byte(r.chart(s))); err != nil {
				return err
			}
		}
	}
	return replace(filepath.Join(dir, "RESULTS.md"), []byte(page(records)))
}

// measured is the scenarios that have results.
func (r *record) measured() []scenario {
	return slices.DeleteFunc(slices.Clone(r.part.scenarios), func(s scenario) bool { return len(r.entrants(s)) == 0 })
}

func page(records []*record) string {
	var b strings.Builder
	head(&b)
	for _, r := range records {
		if len(r.Measurements) > 0 {
			r.page(&b)
		}
	}
	return wrapped(strings.TrimRight(b.String(), "\n") + "\n")
}

// head is what holds for all parts.
func head(b *strings.Builder) {
	fmt.Fprint(b, "# maru beside its peers\n\n")
	fmt.Fprint(b, "Written by `go run ./run` from its records, results*.json. run/doc.go describes the runs, and [docs/benchmarking.md](../docs/benchmarking.md) the figures.\n\n")
	fmt.Fprint(b, "- The server has one core (`GOMAXPROCS=1`, pinned), the load tool the other. Messages have 128 bytes, without compression, over plain TCP on loopback. Every byte that came back was checked.\n")
	fmt.Fprint(b, "- The servers take turns, in each round another one first. Figures are medians, in brackets the middle half. A ratio is between two figures of the same round. One server is ahead of another only if the middle halves do not overlap, in the rounds that have both.\n")
	fmt.Fprint(b, "- CPU is the server process's own clock. The kernel samples its user part at clock ticks. The user part of the limit is the system calls themselves: some virtual machines count the entry into the kernel as the program's. Memory is the growth of the resident set since before the first connection. Servers in Go collect their garbage before that, and again when all connections are open. A signal asks them to, by a file that is added when they are built. Other servers have no collector, or choose the time themselves.\n")
}

func (r *record) page(b *strings.Builder) {
	if r.part.title != "" {
		fmt.Fprintf(b, "# %s\n\nMeasured as above, in one series of its own, on this machine:\n\n", r.part.title)
	}
	fmt.Fprintf(b, "- %s, %d cores, %.0f GiB of memory, %s, %s\n", r.Machine.Processor, r.Machine.Cores, r.Machine.GiB, r.Machine.Kernel, r.Machine.Go)
	for _, one := range r.Series {
		fmt.Fprintf(b, "- %s, %v: `%s`, load average before each round %s\n", one.Started.UTC().Format("2006-01-02 15:04 UTC"),
			time.Duration(one.Seconds)*time.Second, strings.Join(append([]string{"go run ./run"}, one.Arguments...), " "), joined(one.Loads))
	}
	fmt.Fprint(b, "\n| server | | version |\n|---|---|---|\n")
	for _, server := range r.part.contenders {
		if r.has(server.name) {
			fmt.Fprintf(b, "| %s | %s | %s |\n", server.name, server.about, strings.Join(r.Versions[server.name], "; "))
		}
	}
	b.WriteString("\n")
	r.goals(b)
	if !r.part.plain {
		r.notAhead(b, r.measured())
	}
	for _, s := range r.measured() {
		r.section(b, s)
	}
}

// wrapped breaks lines of more than 120 bytes, but not those of tables.
func wrapped(page string) string {
	lines := strings.Split(page, "\n")
	for i, line := range lines {
		if len(line) <= 120 || strings.HasPrefix(line, "|") {
			continue
		}
		indent := ""
		if strings.HasPrefix(line, "- ") {
			indent = "  "
		}
		var b strings.Builder
		width := 0
		for n, word := range strings.Split(line, " ") {
			switch {
			case n == 0:
			case width+1+len(word) > 120:
				b.WriteString("\n" + indent)
				width = len(indent)
			default:
				b.WriteByte(' ')
				width++
			}
			b.WriteString(word)
			width += len(word)
		}
		lines[i] = b.String()
	}
	return strings.Join(lines, "\n")
}

func (r *record) section(b *strings.Builder, s scenario) {
	fmt.Fprintf(b, "## %s\n\n`maru bench %s %s`", s.title, s.command, s.args)
	if s.serve != "" {
		fmt.Fprintf(b, ", `maru serve %s`", s.serve)
	}
	if s.by != "" {
		fmt.Fprintf(b, ", and `--socketio %s` for clients of Socket.IO", s.by)
	}
	fmt.Fprintf(b, "\n\n![%s](charts/%s.svg)\n\n", s.title, s.name)
	r.table(b, s)
	if r.part.plain {
		return
	}
	for _, f := range s.figures[:s.compared()] {
		if text := r.standing(s, f).String(); text != "" {
			fmt.Fprintf(b, "By %s, maru: %s.\n", f.title, text)
		}
	}
	b.WriteString("\n")
}

func (r *record) table(b *strings.Builder, s scenario) {
	against := slices.DeleteFunc(slices.Clone(r.part.against), func(name string) bool { return len(r.of(s.name, name)) == 0 })
	fmt.Fprint(b, "| server |")
	for _, f := range s.figures {
		fmt.Fprintf(b, " %s |", f.title)
	}
	for _, name := range against {
		fmt.Fprintf(b, " to %s |", name)
	}
	fmt.Fprintf(b, " runs |\n|---|%s\n", strings.Repeat("---|", len(s.figures)+len(against)+1))
	for _, server := range r.entrants(s) {
		name := server
		if server == maruName {
			name = "**maru**"
		}
		fmt.Fprintf(b, "| %s |", name)
		for _, f := range s.figures {
			cell(b, r.spread(s.name, server, f), f.decimals)
		}
		for _, other := range against {
			cell(b, r.ratio(entry{s.name, server}, entry{s.name, other}, s.chief()), 2)
		}
		fmt.Fprintf(b, " %d", len(r.of(s.name, server)))
		if faults := r.faults(s.name, server); len(faults) > 0 {
			fmt.Fprintf(b, ", %d failed: %s", len(faults), strings.ReplaceAll(faults[0], "|", `\|`))
		}
		fmt.Fprint(b, " |\n")
	}
	b.WriteString("\n")
}

func cell(b *strings.Builder, m spread, decimals int) {
	if m.n == 0 {
		b.WriteString(" |")
		return
	}
	fmt.Fprintf(b, " %.*f (%.*f..%.*f) |", decimals, m.median, decimals, m.low, decimals, m.upper)
}

func joined(values []float64) string {
	var words []string
	for _, v := range values {
		words = append(words, fmt.Sprintf("%.1f", v))
	}
	return strings.Join(words, ", ")
}
