package main

import (
	"fmt"
	"html"
	"strings"
)

// A chart is a bar for each server, up to its median, with a line over the middle
// half of its runs. Shorter is better.
const (
	chartWidth = 720
	barLeft    = 140
	barRight   = 610
	rowHeight  = 26
	chartTop   = 44
)

func (r *record) chart(s scenario) string {
	f := s.chief()
	var b strings.Builder
	order := r.entrants(s)
	most := 0.0
	for _, server := range order {
		most = max(most, r.spread(s.name, server, f).upper)
	}
	height := chartTop + rowHeight*len(order) + 8
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="system-ui,sans-serif" font-size="13">`+"\n",
		chartWidth, height, chartWidth, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/><text x="12" y="24" font-size="15" font-weight="600" fill="#222">%s: %s, less is better</text>`+"\n",
		html.EscapeString(s.title), html.EscapeString(f.title))
	for i, server := range order {
		m := r.spread(s.name, server, f)
		y := chartTop + rowHeight*i
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#222">%s</text>`, barLeft-8, y+16, html.EscapeString(server))
		if m.n == 0 {
			fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#888">no run counts</text>`+"\n", barLeft, y+16)
			continue
		}
		x := func(v float64) float64 { return barLeft + (barRight-barLeft)*v/max(most, 1e-9) }
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="18" fill="%s"/>`, barLeft, y+2, x(m.median)-barLeft, color(server))
		fmt.Fprintf(&b, `<path d="M%.1f %dH%.1f" stroke="#222" stroke-width="2"/>`, x(m.low), y+11, x(m.upper))
		fmt.Fprintf(&b, `<text x="%.1f" y="%d" fill="#222">%s</text>`+"\n", x(m.upper)+6, y+16, short(m.median))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func color(server string) string {
	switch server {
	case maruName:
		return "#1f7a5c"
	case limitName:
		return "#c9c9c9"
	}
	return "#8fb3d9"
}

// short is about three digits.
func short(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	case v < 0.1:
		return fmt.Sprintf("%.4f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
