package bench

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// The charts are SVG with classes for colours, so that the page's light or dark style
// applies to them too. Coordinates are in a box of 560 x 240 that scales.
const (
	chartWidth, chartHeight               = 560, 240
	plotLeft, plotRight, plotTop, plotLow = 68, 550, 26, 200
)

// plot maps values to the box.
type plot struct {
	b          strings.Builder
	x0, x1, y1 float64 // y begins at 0
}

func newPlot(label string, x0, x1, y1 float64) *plot {
	p := &plot{x0: x0, x1: max(x1, x0+1e-9), y1: max(y1, 1e-9)}
	fmt.Fprintf(&p.b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(label))
	return p
}

func (p *plot) x(v float64) float64 { return plotLeft + (v-p.x0)/(p.x1-p.x0)*(plotRight-plotLeft) }
func (p *plot) y(v float64) float64 { return plotLow - v/p.y1*(plotLow-plotTop) }

// scale draws lines and labels for y.
func (p *plot) scale(step float64, label func(float64) string) {
	for v := 0.0; v <= p.y1*1.0001; v += step {
		y := p.y(v)
		fmt.Fprintf(&p.b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`,
			plotLeft, plotRight, y, y, plotLeft-8, y+4, html.EscapeString(label(v)))
	}
}

// mark labels a value on the x axis.
func (p *plot) mark(v float64, label string) {
	x := p.x(v)
	fmt.Fprintf(&p.b, `<line class="notch" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
		x, x, plotLow, plotLow+5, x, plotLow+19, html.EscapeString(label))
}

func (p *plot) axis(label string) {
	fmt.Fprintf(&p.b, `<text class="axis" x="%d" y="%d" text-anchor="end">%s</text>`, plotRight, chartHeight-6, html.EscapeString(label))
}

func (p *plot) svg() template.HTML {
	p.b.WriteString(`</svg>`)
	return template.HTML(p.b.String()) // only numbers and escaped text are in it
}

// niceStep divides a range up to top into three to six steps of 1, 2 or 5 times a
// power of ten; for memory, of two.
func niceStep(top float64, binary bool) float64 {
	if top <= 0 {
		return 1
	}
	if binary {
		step := math.Exp2(math.Floor(math.Log2(top / 3)))
		if top/step > 6 {
			step *= 2
		}
		return step
	}
	step := math.Pow(10, math.Floor(math.Log10(top/3)))
	for _, m := range []float64{1, 2, 5, 10} {
		if top/(step*m) <= 6 {
			return step * m
		}
	}
	return step * 10
}

// course is a chart of one figure over the time of the run, the measured part
// shaded.
func course(label string, samples []Sample, binary bool, value func(Sample) float64, tick func(float64) string) template.HTML {
	if len(samples) < 2 {
		return ""
	}
	top := 0.0
	for _, s := range samples {
		top = max(top, value(s))
	}
	step := niceStep(top*1.05, binary)
	p := newPlot(label, 0, samples[len(samples)-1].At, math.Ceil(max(top*1.02, step)/step)*step)
	p.shade(samples)
	p.scale(step, tick)
	seconds := niceStep(p.x1, false)
	for v := 0.0; v <= p.x1; v += seconds {
		p.mark(v, fmt.Sprintf("%g s", math.Round(v*100)/100))
	}
	var line strings.Builder
	for i, s := range samples {
		fmt.Fprintf(&line, "%c%.1f %.1f", "ML"[min(i, 1)], p.x(s.At), p.y(value(s)))
	}
	fmt.Fprintf(&p.b, `<path class="area" d="%sL%.1f %dL%.1f %dZ"/><path class="line" d="%s"/>`,
		line.String(), p.x(samples[len(samples)-1].At), plotLow, p.x(samples[0].At), plotLow, line.String())
	return p.svg()
}

// shade marks the measured part.
func (p *plot) shade(samples []Sample) {
	from, to := math.Inf(1), math.Inf(-1)
	for i, s := range samples {
		if s.Phase == phaseMeasured {
			if i > 0 {
				from = min(from, samples[i-1].At)
			} else {
				from = 0
			}
			to = s.At
		}
	}
	if from < to {
		fmt.Fprintf(&p.b, `<rect class="measured" x="%.1f" y="%d" width="%.1f" height="%d"/><text class="axis" x="%.1f" y="%d">measured</text>`,
			p.x(from), plotTop, p.x(to)-p.x(from), plotLow-plotTop, p.x(from)+4, plotTop-6)
	}
}

// spread is the histogram, over a logarithm of time, with its quantiles.
func spread(l *Latency) template.HTML {
	if l == nil || len(l.Buckets) == 0 {
		return ""
	}
	most := uint64(0)
	for _, b := range l.Buckets {
		most = max(most, b.Count)
	}
	low := math.Log10(max(min(l.Min, l.Buckets[0].Le)*0.8, 0.1))
	high := math.Log10(max(l.Max*1.25, math.Pow(10, low)*2))
	top := 100 * float64(most) / float64(l.Count)
	step := niceStep(top*1.05, false)
	p := newPlot("Latency histogram", low, high, math.Ceil(top*1.02/step)*step)
	p.scale(step, func(v float64) string { return fmt.Sprintf("%g %%", math.Round(v*1000)/1000) })
	p.decades(low, high)

	width := 1.0 / bucketsPerDoubling
	for _, b := range l.Buckets {
		below := b.Le * math.Exp2(-width)
		if b.Count > 0 {
			x := max(p.x(math.Log10(max(below, 0.001))), plotLeft)
			share := 100 * float64(b.Count) / float64(l.Count)
			height := max(plotLow-p.y(share), 1.5) // so that a single one is visible
			fmt.Fprintf(&p.b, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s to %s: %s (%.3g %%)</title></rect>`,
				x, plotLow-height, max(p.x(math.Log10(b.Le))-x-0.6, 0.8), height, span(below), span(b.Le), count(int64(b.Count)), share)
		}
	}
	p.quantiles(l)
	p.axis("time, logarithmic")
	return p.svg()
}

// decades marks 1, 2 and 5 times the powers of ten; on a wide range only the powers.
func (p *plot) decades(low, high float64) {
	parts := []float64{1, 2, 5}
	if high-low > 3 {
		parts = parts[:1]
	}
	for d := math.Floor(low); d <= high; d++ {
		for _, m := range parts {
			us := m * math.Pow(10, d)
			if at := math.Log10(us); at >= low && at <= high {
				p.mark(at, short(us))
			}
		}
	}
}

// short is a round number of microseconds.
func short(us float64) string {
	switch {
	case us >= 0.999e6:
		return fmt.Sprintf("%.3g s", us/1e6)
	case us >= 0.999e3:
		return fmt.Sprintf("%.3g ms", us/1e3)
	}
	return fmt.Sprintf("%.3g µs", us)
}

// quantiles draws a line for each of four, their names in two rows where they are
// close.
func (p *plot) quantiles(l *Latency) {
	last, row := math.Inf(-1), 0
	for _, q := range []struct {
		name  string
		us    float64
		class string
	}{{"p50", l.P50, "q50"}, {"p99", l.P99, "q99"}, {"p99.9", l.P999, "q999"}, {"max", l.Max, "qmax"}} {
		x := p.x(math.Log10(max(q.us, 0.1)))
		if row++; x-last > 46 {
			row = 0
		}
		last = x
		fmt.Fprintf(&p.b, `<line class="quantile %s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/><text class="name %s" x="%.1f" y="%d" text-anchor="middle">%s</text>`,
			q.class, x, x, plotTop+row*15, plotLow, q.class, min(x, plotRight-10), plotTop-6+row*15, q.name)
	}
}
