package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// write writes RESULTS.md, and a chart for each case.
func (r *results) write(s settings) error {
	if err := os.MkdirAll(filepath.Join(s.out, "charts"), 0o755); err != nil {
		return err
	}
	for _, c := range s.cases {
		if err := os.WriteFile(filepath.Join(s.out, "charts", c.name+".svg"), []byte(r.chart(s, c)), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(s.out, "RESULTS.md"), []byte(r.page(s)), 0o644)
}

func (r *results) page(s settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# maru beside its peers\n\n")
	fmt.Fprintf(&b, "Written by `go run ./run`; what it does is in run/doc.go, what the figures mean in docs/benchmarking.md.\n\n")
	fmt.Fprintf(&b, "- %s, %v, `go run ./run %s`\n", r.started.UTC().Format("2006-01-02 15:04 UTC"), r.took.Round(time.Second), strings.Join(s.arguments, " "))
	fmt.Fprintf(&b, "- %s, %d cores, %s, %s\n", r.machine.Processor, r.machine.Cores, r.machine.Kernel, r.machine.Go)
	fmt.Fprintf(&b, "- Load average before each round: %s. Of this, one measurement makes up to 2; the rest is other programs.\n", joined(r.loads))
	fmt.Fprintf(&b, "- Rounds: %d, the servers taking turns. Figures are medians, in brackets the middle half. One server is ahead of another only where these do not overlap. The ratio to the limit is of what the chart shows, within a round.\n", s.runs)
	fmt.Fprintf(&b, "- 128 bytes a message, no compression, plain TCP on loopback; every byte that came back was checked.\n\n")
	fmt.Fprintf(&b, "| server | |\n|---|---|\n")
	for _, server := range s.servers {
		fmt.Fprintf(&b, "| %s | %s |\n", server.name, server.about)
	}
	for _, c := range s.cases {
		fmt.Fprintf(&b, "\n## %s\n\n`maru bench %s %s`\n\n![%s](charts/%s.svg)\n\n", c.title, c.command, strings.Join(c.args, " "), c.title, c.name)
		r.table(&b, s, c)
	}
	return b.String()
}

// column is one figure of a table.
type column struct {
	title    string
	decimals int
	of       func(*result) float64
}

func (c scenario) columns() []column {
	if c.command == "idle" {
		return []column{
			{"bytes for a connection", 0, memory.of},
			{"MiB with all open", 1, func(r *result) float64 { return float64(r.Server.RSSOpen) / (1 << 20) }},
			{"µs of CPU to open one", 1, func(r *result) float64 { return r.Opening.CPU }},
		}
	}
	all := []column{
		{"µs of CPU for each", 2, cpu.of},
		{"of it user", 2, func(r *result) float64 { return r.Server.UserPerUnit }},
		{"a second", 0, func(r *result) float64 { return r.Rate }},
		{"p50 ms", 2, func(r *result) float64 { return r.Latency.P50 / 1e3 }},
		{"p99 ms", 2, latency.of},
		{"p99.9 ms", 2, func(r *result) float64 { return r.Latency.P999 / 1e3 }},
	}
	if c.figure.unit == latency.unit { // which comes first
		return append(all[3:len(all):len(all)], all[0], all[1])
	}
	return all
}

func (r *results) table(b *strings.Builder, s settings, c scenario) {
	columns := c.columns()
	fmt.Fprint(b, "| server |")
	for _, col := range columns {
		fmt.Fprintf(b, " %s |", col.title)
	}
	fmt.Fprintf(b, " to the limit's | runs |\n|---|%s---|---|\n", strings.Repeat("---|", len(columns)))
	for _, server := range r.order(s, c) {
		key := [2]string{c.name, server.name}
		name := server.name
		if name == "maru" {
			name = "**maru**"
		}
		fmt.Fprintf(b, "| %s |", name)
		for _, col := range columns {
			cell(b, r.spread(c, server.name, col.of), col.decimals)
		}
		cell(b, r.ratio(c, server.name), 2)
		fmt.Fprintf(b, " %d", r.spread(c, server.name, c.figure.of).n)
		if faults := r.faults[key]; len(faults) > 0 {
			fmt.Fprintf(b, ", %d failed: %s", len(faults), strings.ReplaceAll(faults[0], "|", `\|`))
		}
		fmt.Fprint(b, " |\n")
	}
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
