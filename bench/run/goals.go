package main

import (
	"cmp"
	"fmt"
	"strings"
)

// goal is what maru is meant to reach: a figure, or its ratio to another's in the
// same round.
type goal struct {
	title    string
	of       string // the server; empty: maru
	scenario string
	figure   figure
	over     entry // zero: the figure itself counts
	most     float64
	below    bool // and not as much
}

func goals() []goal {
	at := func(server, scenario string) entry { return entry{scenario, server} }
	return []goal{
		{"memory of an idle connection in a channel, bytes", "", "idle", memory, entry{}, 300, false},
		{"user CPU of a delivery to 10,000, one at a time, µs", "", "fanout10k", user, entry{}, 0.4, false},
		{"user CPU of a delivery to 10,000, up to 16 on the way, µs", "", "fanout10k16", user, entry{}, 0.08, false},
		{"write calls for a delivery, up to 16 on the way", "", "writes", writes, entry{}, 1.0 / 12, false},
		{"CPU of a delivery to 1,000, one at a time, µs", "", "fanout", cpu, at(limitName, "fanout"), 1.10, false},
		{"CPU of a delivery to 10,000, one at a time, µs", "", "fanout10k", cpu, at(limitName, "fanout10k"), 1.10, false},
		{"CPU of a delivery to 1,000, up to 16 on the way, µs", "", "fanout16", cpu, at(limitName, "fanout16"), 1.20, false},
		{"CPU of a delivery to 1,000, up to 16 on the way, µs", "", "fanout16", cpu, at(uwsName, "fanout16"), 1, true},
		{"CPU of a delivery to 10,000, up to 16 on the way, µs", "", "fanout10k16", cpu, at(limitName, "fanout10k16"), 1.20, false},
		{"CPU of a delivery to 10,000, up to 16 on the way, µs", "", "fanout10k16", cpu, at(uwsName, "fanout10k16"), 1, true},
		{"CPU of an echo, 1,000 connections, µs", "", "echo", cpu, at(uwsName, "echo"), 1, false},
		{"CPU of an echo, 10,000 connections, µs", "", "echo10k", cpu, at(uwsName, "echo10k"), 1, false},
		{"CPU to connect, upgrade, close, µs", "", "connect", cpu, at(uwsName, "connect"), 1, false},
		{"latency at 80,000 deliveries a second, p50, ms", "", "latency", p50, at(uwsName, "latency"), 1, false},
		{"latency, p99, ms", "", "latency", p99, at(uwsName, "latency"), 1, false},
		{"latency, p99.9, ms", "", "latency", p999, at(uwsName, "latency"), 1, false},
		{"memory of an idle connection over TLS, bytes", "", "secure", memory, entry{}, 9000, false},
		{"memory of an idle connection with compression negotiated, bytes", "", "deflate", memory, at(maruName, "idle"), 1.02, false},
		{"memory of an idle stream of server-sent events, bytes", "", "events", memory, entry{}, 1000, false},
		{"CPU of 19,000 idle connections with pings on, % of a core", "", "pings", share, entry{}, 1, true},
	}
}

// server is whose goal it is.
func (g goal) server() string { return cmp.Or(g.of, maruName) }

func (r *record) goals(b *strings.Builder) {
	fmt.Fprintf(b, "## The goals of maru%s\n\nMedians. The ratio is maru's figure to that of the server in the aim, in the same round: its median and middle half.\n\n", r.part.with())
	fmt.Fprintf(b, "| figure | %s | ratio | aim | reached |\n|---|%s---|---|---|\n", strings.Join(r.part.beside, " | "), strings.Repeat("---|", len(r.part.beside)))
	for _, g := range r.part.goals {
		if len(r.of(g.scenario, g.server())) == 0 {
			continue
		}
		fmt.Fprintf(b, "| %s |", g.title)
		for _, server := range r.part.beside {
			m := r.spread(g.scenario, server, g.figure)
			if m.n == 0 {
				fmt.Fprint(b, " |")
				continue
			}
			fmt.Fprintf(b, " %.*f |", g.figure.decimals, m.median)
		}
		got, ratio := r.reached(g)
		if ratio.n > 0 {
			fmt.Fprintf(b, " %.2f (%.2f..%.2f) |", ratio.median, ratio.low, ratio.upper)
		} else {
			fmt.Fprint(b, " |")
		}
		fmt.Fprintf(b, " %s | %s |\n", g.aim(), got)
	}
	b.WriteString("\n")
}

func (g goal) aim() string {
	aim := fmt.Sprintf("at most %.4g", g.most)
	if g.below {
		aim = fmt.Sprintf("below %.4g", g.most)
	}
	switch g.over.server {
	case "":
		return aim
	case maruName:
		if g.over.scenario != g.scenario {
			return aim + " of that without"
		}
	case limitName:
		return aim + " of the limit's"
	}
	return aim + " of " + g.over.server + "'s"
}

// notReached is the answer for which a goal is listed again among the others.
const notReached = "**no**"

// reached is yes or no, by the median, or that it was not measured. For fewer runs than
// enough it adds their number.
func (r *record) reached(g goal) (answer string, ratio spread) {
	m := r.spread(g.scenario, g.server(), g.figure)
	if g.over != (entry{}) {
		ratio = r.ratio(entry{g.scenario, g.server()}, g.over, g.figure)
		m = ratio
	}
	answer = notReached
	switch {
	case m.n == 0:
		return "not measured", ratio
	case m.median < g.most || m.median == g.most && !g.below:
		answer = "yes"
	}
	if m.n < enough {
		answer += fmt.Sprintf(", by %d runs", m.n)
	}
	return answer, ratio
}

// standing is how maru stands to the others by a figure, in the rounds that have both: ahead
// or behind only where the middle halves do not overlap.
type standing struct{ ahead, level, behind, few []string }

// enough is so many runs that their middle half says something.
const enough = 5

func (r *record) standing(s scenario, f figure) standing {
	var all standing
	for _, server := range r.entrants(s) {
		if len(r.of(s.name, server)) == 0 || len(r.of(s.name, maruName)) == 0 || strings.HasPrefix(server, maruName) {
			continue
		}
		ones, others := r.pairs(entry{s.name, maruName}, entry{s.name, server}, f)
		mine, theirs := spreadOf(ones), spreadOf(others)
		switch {
		case mine.n < enough:
			all.few = append(all.few, server)
		case mine.under(theirs):
			all.ahead = append(all.ahead, server)
		case theirs.under(mine):
			all.behind = append(all.behind, server)
		default:
			all.level = append(all.level, server)
		}
	}
	return all
}

func (s standing) String() string {
	var parts []string
	for _, x := range []struct {
		word string
		who  []string
	}{{"ahead of", s.ahead}, {"level with", s.level}, {"behind", s.behind}, {"too few runs to say beside", s.few}} {
		if len(x.who) > 0 {
			parts = append(parts, x.word+" "+strings.Join(x.who, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

func (r *record) notAhead(b *strings.Builder, all []scenario) {
	fmt.Fprintf(b, "## Where maru is not ahead%s\n\nLevel means that the middle halves overlap, in the rounds that have both; fewer than five rounds are too few. %s\n\n", r.part.with(), r.part.remark)
	none := true
	for _, s := range all {
		for _, f := range s.figures[:s.compared()] {
			at := r.standing(s, f)
			at.ahead = nil
			if text := at.String(); text != "" {
				fmt.Fprintf(b, "- %s, %s: %s\n", s.title, f.title, text)
				none = false
			}
		}
	}
	if none {
		b.WriteString("Nowhere in these measurements.\n")
	}
	for _, g := range r.part.goals {
		if got, _ := r.reached(g); strings.HasPrefix(got, notReached) {
			fmt.Fprintf(b, "- Not reached: %s, %s\n", g.title, g.aim())
		}
	}
	b.WriteString("\n")
}
