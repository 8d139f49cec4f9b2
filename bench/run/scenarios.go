package main

import (
	"strings"
	"time"
)

// scenario is one way to load a server, and what is read from it.
type scenario struct {
	name, title string
	command     string // of maru bench
	args        []string
	mode        string // of the server: fanout or echo
	joins       bool   // the limit may join messages, as several are on their way
	figure      figure
}

func (s scenario) called() string { return s.name }

// timed reports whether the measurement has a length.
func (s scenario) timed() bool { return s.command != "idle" }

// figure is the one that servers are compared by.
type figure struct {
	unit string
	of   func(*result) float64
}

var (
	cpu     = figure{"µs of CPU", func(r *result) float64 { return r.Server.PerUnit }}
	memory  = figure{"bytes for a connection", func(r *result) float64 { return r.Server.PerConnection }}
	latency = figure{"ms, 99 of 100", func(r *result) float64 { return r.Latency.P99 / 1e3 }}
)

func scenarios() []scenario {
	words := strings.Fields
	return []scenario{
		{"fanout", "Fan-out to 1,000, one message at a time", "fanout", words("--connections 1000 --window 1"), "fanout", false, cpu},
		{"fanout16", "Fan-out to 1,000, up to 16 messages on the way", "fanout", words("--connections 1000 --window 16"), "fanout", true, cpu},
		{"fanout10k", "Fan-out to 10,000, one message at a time", "fanout", words("--connections 10000 --window 1"), "fanout", false, cpu},
		{"latency", "Latency of fan-out to 1,000, 50 messages a second", "fanout", words("--connections 1000 --rate 50"), "fanout", false, latency},
		{"echo", "Echo, 1,000 connections", "echo", words("--connections 1000"), "echo", false, cpu},
		{"connect", "Connect, upgrade, close", "connect", words("--connections 64"), "fanout", false, cpu},
		{"idle", "10,000 idle connections", "idle", words("--connections 10000"), "fanout", false, memory},
	}
}

// benchArgs is the call of maru bench.
func (s scenario) benchArgs(url string, c contender, duration time.Duration) []string {
	args := append([]string{"bench", s.command, "--json", "--url", url}, s.args...)
	if s.timed() {
		args = append(args, "--duration", duration.String())
	} else {
		args = append(args, "--duration", "1s")
	}
	if s.command == "fanout" || s.command == "echo" {
		args = append(args, c.messages...)
	}
	if s.command != "connect" {
		args = append(args, c.greeting...)
	}
	return args
}
