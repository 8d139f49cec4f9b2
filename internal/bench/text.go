package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Row is one line of a result for people.
type Row struct{ Name, Value string }

// Rows are the result in words, in reading order.
func (r *Result) Rows() []Row {
	var rows []Row
	add := func(name, format string, args ...any) { rows = append(rows, Row{name, fmt.Sprintf(format, args...)}) }
	for _, s := range r.Settings {
		add(s.Name, "%s", s.Value)
	}
	if o := r.Opening; o != nil {
		add("opened", "in %s s, %s a second%s", digits(o.Seconds), digits(o.Rate), orNothing(o.CPU, ", server CPU %s µs each", digits(o.CPU)))
	}
	add("measured", "%s s%s", digits(r.Seconds), map[bool]string{true: " (partial: the run was ended early)"}[r.Partial])
	if r.Mode == Fanout {
		add("published", "%s in all", count(r.Sent))
		if r.Behind > 0 {
			add("punctuality", "published at most %s late", span(r.Behind))
		}
	}
	if r.Mode != Idle {
		add(plural(r.Unit), "%s, %s a second", count(r.Done), digits(r.Rate))
	}
	add("faults", "%s", r.Faults.words())
	latency := func(name string, l *Latency) {
		if l != nil {
			add(name, "p50 %s, p90 %s, p99 %s, p99.9 %s, max %s", span(l.P50), span(l.P90), span(l.P99), span(l.P999), span(l.Max))
			add("", "%s", l.What)
		}
	}
	latency("latency", r.Latency)
	latency("the last", r.Last)
	if s := r.Server; s != nil {
		if s.PerUnit > 0 {
			add("server CPU", "%s µs per %s (user %s, kernel %s), %s of a core", digits(s.PerUnit), r.Unit, digits(s.UserPerUnit), digits(s.PerUnit-s.UserPerUnit), percent(s.CPUShare))
		} else {
			add("server CPU", "%s of a core", percent(s.CPUShare))
		}
		add("server memory", "%s before, %s open, %s after%s", size(s.RSSBefore), size(s.RSSOpen), size(s.RSSAfter),
			orNothing(s.PerConnection, ": %s bytes per connection", digits(s.PerConnection)))
	}
	for _, u := range r.Beside {
		add("beside", "process %d, %s: %s µs of CPU per %s, %s of a core", u.PID, u.Name, digits(u.PerUnit), r.Unit, percent(u.CPU/max(r.Seconds, 1e-9)))
	}
	limit := ""
	if r.ToolCPU > 0.9 {
		limit = ": it may limit the rate"
	}
	add("load tool", "%s of a core%s", percent(r.ToolCPU), limit)
	return rows
}

// Write prints the result as a table.
func (r *Result) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(t, "%s  %s\n\n", r.Mode, r.URL)
	for _, row := range r.Rows() {
		fmt.Fprintf(t, "  %s\t%s\n", row.Name, row.Value)
	}
	fmt.Fprintf(t, "  machine\t%s\n", r.Machine)
	return t.Flush()
}

func (m Machine) String() string {
	processor := m.Processor
	if processor == "" {
		processor = "unknown processor"
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", processor, m.Cores, m.Kernel, m.Go)
}

func (f Faults) words() string {
	if f.First == "" {
		return "none"
	}
	var parts []string
	for _, x := range []struct {
		n    int64
		what string
	}{{f.Lost, "lost"}, {f.Repeated, "repeated or late"}, {f.Damaged, "damaged"}, {f.Closed, "connections closed"}, {f.Failed, "failed"}} {
		if x.n > 0 {
			parts = append(parts, count(x.n)+" "+x.what)
		}
	}
	return strings.Join(parts, ", ")
}

// String is one line with the state of the run.
func (p Progress) String() string {
	line := fmt.Sprintf("%-8s %5.0f s  %s connections  %s/s", p.Phase, p.Elapsed.Seconds(), count(p.Connections), digits(p.Rate))
	if p.RSS > 0 {
		line += "  " + size(p.RSS)
	}
	return line
}

func orNothing(n float64, format string, args ...any) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

func plural(unit string) string {
	if unit == "echo" {
		return "echoes"
	}
	if stem, ok := strings.CutSuffix(unit, "y"); ok {
		return stem + "ies"
	}
	return unit + "s"
}

// count is a whole number with separators for thousands.
func count[N ~int | ~int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}

// digits is a number with at least three significant figures.
func digits(x float64) string {
	switch a := math.Abs(x); {
	case a >= 99.95 || a == 0:
		return count(int64(math.Round(x)))
	case a >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	default:
		return strconv.FormatFloat(x, 'f', 2, 64)
	}
}

func percent(share float64) string { return digits(share*100) + " %" }

// span is a time, given in microseconds.
func span(us float64) string {
	switch {
	case us >= 1e6:
		return digits(us/1e6) + " s"
	case us >= 1e3:
		return digits(us/1e3) + " ms"
	}
	return digits(us) + " µs"
}

func size(bytes int64) string {
	switch b := float64(bytes); {
	case bytes >= 1<<30:
		return digits(b/(1<<30)) + " GiB"
	case bytes >= 1<<20:
		return digits(b/(1<<20)) + " MiB"
	}
	return digits(float64(bytes)/(1<<10)) + " KiB"
}
