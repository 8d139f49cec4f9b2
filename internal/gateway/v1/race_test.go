//go:build race

package v1_test

// underRace: the race detector drops pooled values at random, so that allocations vary.
const underRace = true
