//go:build !race

package v1_test

const underRace = false
