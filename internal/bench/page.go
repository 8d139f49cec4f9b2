package bench

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

// tile is a figure at the top of the page.
type tile struct{ Name, Value, Unit string }

// WriteHTML writes a self-contained page without scripts.
func (r *Result) WriteHTML(w io.Writer) error {
	resident := r.Server != nil
	return page.Execute(w, map[string]any{
		"Result":   r,
		"Title":    r.title(),
		"Tiles":    r.tiles(),
		"Rows":     r.Rows(),
		"Unit":     plural(r.Unit),
		"Cores":    r.Machine.Cores,
		"Seconds":  digits(r.Seconds),
		"Spread":   spread(r.Latency),
		"Through":  r.throughput(),
		"Resident": r.course(resident, "Resident memory of the server", true, func(s Sample) float64 { return float64(s.RSS) }, roundSize),
		"CPU":      r.course(resident, "CPU of the server, of one core", false, func(s Sample) float64 { return 100 * s.CPU }, func(v float64) string { return fmt.Sprintf("%g %%", v) }),
	})
}

func (r *Result) throughput() template.HTML {
	if r.Mode == Idle {
		return r.course(true, "Connections", false, func(s Sample) float64 { return float64(s.Connections) }, wide)
	}
	return r.course(true, "Throughput", false, func(s Sample) float64 { return s.Rate }, wide)
}

func (r *Result) course(there bool, label string, binary bool, value func(Sample) float64, tick func(float64) string) template.HTML {
	if !there {
		return ""
	}
	return course(label, r.Timeline, binary, value, tick)
}

// roundSize is a size on a scale.
func roundSize(bytes float64) string {
	switch {
	case bytes >= 1<<30:
		return fmt.Sprintf("%.4g GiB", bytes/(1<<30))
	case bytes >= 1<<20:
		return fmt.Sprintf("%.4g MiB", bytes/(1<<20))
	case bytes == 0:
		return "0"
	}
	return fmt.Sprintf("%.4g KiB", bytes/(1<<10))
}

// wide is a large number, short.
func wide(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.4gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.4gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}

// title describes the run in one line.
func (r *Result) title() string {
	n := count(r.Connections)
	switch r.Mode {
	case Connect:
		return "Connecting, " + n + " at a time"
	case Fanout:
		return "Fan-out to " + n
	case Echo:
		return "Echo on " + n + " connections"
	case Publish:
		return "Publishing, " + n + " at a time"
	}
	return n + " idle connections"
}

func (r *Result) tiles() []tile {
	var tiles []tile
	if r.Mode == Idle {
		tiles = append(tiles, tile{"connections", count(r.Connections), ""})
	} else {
		tiles = append(tiles, tile{plural(r.Unit), digits(r.Rate), "a second"})
	}
	if s := r.Server; s != nil {
		if s.PerUnit > 0 {
			tiles = append(tiles, tile{"server CPU", digits(s.PerUnit), "µs per " + r.Unit})
		} else {
			tiles = append(tiles, tile{"server CPU", digits(s.CPUShare * 100), "% of a core"})
		}
		if r.Mode == Idle {
			tiles = append(tiles, tile{"memory", digits(s.PerConnection), "bytes per connection"})
		}
	}
	if l := r.Latency; l != nil {
		tiles = append(tiles, tile{"p50", span(l.P50), ""}, tile{"p99", span(l.P99), ""})
	}
	return tiles
}
