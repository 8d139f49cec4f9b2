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

func (r *results) spread(c scenario, server string, of func(*result) float64) spread {
	var values []float64
	for _, one := range r.of[[2]string{c.name, server}] {
		if one != nil {
			values = append(values, of(one))
		}
	}
	return spreadOf(values)
}

// ratio is a server's figure over the limit's of the same round: what changes with
// the machine from round to round is in both.
func (r *results) ratio(c scenario, server string) spread {
	var values []float64
	limits := r.of[[2]string{c.name, limitName}]
	for round, one := range r.of[[2]string{c.name, server}] {
		if one != nil && round < len(limits) && limits[round] != nil {
			values = append(values, c.figure.of(one)/c.figure.of(limits[round]))
		}
	}
	return spreadOf(values)
}

// order is the servers of a case, the best first; those without figures last.
func (r *results) order(s settings, c scenario) []contender {
	rank := func(server contender) float64 {
		if m := r.spread(c, server.name, c.figure.of); m.n > 0 {
			return m.median
		}
		return math.Inf(1)
	}
	return slices.SortedStableFunc(slices.Values(s.servers), func(a, b contender) int {
		switch x, y := rank(a), rank(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}
