package main

import (
	"math"
	"slices"
)

// spread is the middle of several figures and where the middle half of them lies.
type spread struct {
	n                  int
	low, median, upper float64
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return spread{
		n: len(sorted), low: quantile(sorted, 0.25), median: quantile(sorted, 0.5), upper: quantile(sorted, 0.75),
	}
}

// quantile interpolates between the two nearest.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	below := math.Floor(at)
	i := int(below)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-below)*(sorted[i+1]-sorted[i])
}

// under reports whether the whole middle half of s is below that of t.
func (s spread) under(t spread) bool { return s.n > 0 && t.n > 0 && s.upper < t.low }

// of is the figures of one server in one scenario, by round.
func (r *record) of(scenario, server string) map[int]*figures {
	all := make(map[int]*figures)
	for _, m := range r.Measurements {
		if m.Scenario == scenario && m.Contender == server && m.Figures != nil {
			all[m.Round] = m.Figures
		}
	}
	return all
}

func (r *record) spread(scenario, server string, f figure) spread {
	var values []float64
	for _, one := range r.of(scenario, server) {
		values = append(values, f.of(one))
	}
	return spreadOf(values)
}

// entry is a server in a scenario.
type entry struct{ scenario, server string }

// pairs is the figures of two in the rounds that have both: what changes with the machine
// from round to round is in both.
func (r *record) pairs(one, other entry, f figure) (ones, others []float64) {
	all := r.of(other.scenario, other.server)
	for round, mine := range r.of(one.scenario, one.server) {
		if theirs := all[round]; theirs != nil {
			ones, others = append(ones, f.of(mine)), append(others, f.of(theirs))
		}
	}
	return ones, others
}

// ratio is one's figure over another's of the same round.
func (r *record) ratio(one, other entry, f figure) spread {
	var values []float64
	ones, others := r.pairs(one, other, f)
	for i := range ones {
		if others[i] > 0 {
			values = append(values, ones[i]/others[i])
		}
	}
	return spreadOf(values)
}

// faults are why measurements do not count.
func (r *record) faults(scenario, server string) []string {
	var all []string
	for _, m := range r.Measurements {
		if m.Scenario == scenario && m.Contender == server && m.Fault != "" {
			all = append(all, m.Fault)
		}
	}
	return all
}

// entrants is the servers of a scenario that were measured, the best first; those
// without a figure last.
func (r *record) entrants(s scenario) []string {
	var all []string
	for _, m := range r.Measurements {
		if m.Scenario == s.name && !slices.Contains(all, m.Contender) {
			all = append(all, m.Contender)
		}
	}
	rank := func(server string) float64 {
		if m := r.spread(s.name, server, s.chief()); m.n > 0 {
			return m.median
		}
		return math.Inf(1)
	}
	slices.SortStableFunc(all, func(a, b string) int {
		switch x, y := rank(a), rank(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return all
}
