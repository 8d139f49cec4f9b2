package main

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// scenario is one kind of load on a server, with its figures.
type scenario struct {
	name, title string
	command     string // of maru bench
	args        string
	mode        string // of the server: fanout, echo or rooms
	by          string // how clients of Socket.IO connect: websocket or polling
	apart       bool   // they connect, and are in no channel or room
	figures     []figure
	only        []string      // contenders; nil: all that can
	serve       string        // more arguments for maru serve
	scheme      string        // if it is not ws
	joins       bool          // the limit may join messages, as several are on their way
	collects    bool          // the server collects its garbage each time before its memory is read
	crosses     bool          // in a cluster, another node publishes than the measured one
	elsewhere   int           // other nodes of a cluster with a subscriber
	counts      bool          // system calls that write are counted
	duration    time.Duration // if it is not the user's choice
}

func (s scenario) called() string { return s.name }

// chief is what servers are compared by first.
func (s scenario) chief() figure { return s.figures[0] }

// compared is by how many of its figures servers are ahead of each other: by all
// latencies, otherwise by the first.
func (s scenario) compared() int {
	if s.chief().title == p50.title {
		return 3
	}
	return 1
}

// pingsFor is longer than maru's ping interval, so that each connection has one.
const pingsFor = 27 * time.Second

// standFor holds the second that maru bench needs to tell that all stand, and
// the collection after that.
const standFor = 3 * time.Second

// lateFor is 800 publications: it takes many for a latency that one in a hundred, or in
// a thousand, exceeds.
const lateFor = 10 * time.Second

func scenarios() []scenario {
	fanout := []figure{cpu, user, rate, p50, p99}
	echo := []figure{cpu, user, rate, p99}
	late := []figure{p50, p99, p999, cpu}
	idle := []figure{memory, open, opening}
	return []scenario{
		{name: "fanout", title: "Fan-out to 1,000, one message at a time", command: "fanout", args: "--connections 1000 --window 1", mode: "fanout", figures: fanout},
		{name: "fanout16", title: "Fan-out to 1,000, up to 16 messages on the way", command: "fanout", args: "--connections 1000 --window 16", mode: "fanout", joins: true, figures: fanout},
		{name: "fanout10k", title: "Fan-out to 10,000, one message at a time", command: "fanout", args: "--connections 10000 --window 1", mode: "fanout", figures: fanout},
		{name: "fanout10k16", title: "Fan-out to 10,000, up to 16 messages on the way", command: "fanout", args: "--connections 10000 --window 16", mode: "fanout", joins: true, figures: fanout},
		{name: "writes", title: "Write calls, fan-out to 1,000, up to 16 messages on the way", command: "fanout", args: "--connections 1000 --window 16", mode: "fanout", joins: true, counts: true, figures: []figure{writes}},
		{name: "latency", title: "Latency of fan-out to 1,000, 80 messages a second", command: "fanout", args: "--connections 1000 --rate 80", mode: "fanout", duration: lateFor, figures: late},
		{name: "echo", title: "Echo, 1,000 connections", command: "echo", args: "--connections 1000", mode: "echo", figures: echo},
		{name: "echo10k", title: "Echo, 10,000 connections", command: "echo", args: "--connections 10000", mode: "echo", figures: echo},
		{name: "connect", title: "Connect, upgrade, close; 64 at a time", command: "connect", args: "--connections 64", mode: "fanout", figures: echo},
		{name: "idle", title: "Memory of 19,000 idle connections", command: "idle", args: "--connections 19000", mode: "fanout", collects: true, duration: standFor, figures: idle},
		{name: "deflate", title: "Memory of 19,000 idle connections, compression negotiated", command: "idle", args: "--connections 19000 --deflate", mode: "fanout", only: []string{maruName}, collects: true, duration: standFor, figures: idle},
		{name: "secure", title: "Memory of 19,000 idle connections over TLS 1.3", command: "idle", args: "--connections 19000 --insecure", mode: "fanout", only: []string{maruName}, serve: "--tls-self-signed", scheme: "wss", collects: true, duration: standFor, figures: idle},
		{name: "events", title: "Memory of 19,000 idle streams of server-sent events", command: "idle", args: "--connections 19000", mode: "fanout", only: []string{maruName}, scheme: "http", collects: true, duration: standFor, figures: idle},
		{name: "pings", title: "CPU of 19,000 idle connections with pings on", command: "idle", args: "--connections 19000", mode: "fanout", only: []string{maruName}, duration: pingsFor, figures: []figure{share}},
	}
}

// has reports whether a server takes part.
func (s scenario) has(c contender) bool {
	if c.checkout != "" {
		c.name = maruName // as it was
	}
	return (s.only == nil || slices.Contains(s.only, c.name)) && (c.modes == nil || slices.Contains(c.modes, s.mode))
}

func (s scenario) lasts(chosen time.Duration) time.Duration {
	if s.duration > 0 {
		return s.duration
	}
	return chosen
}

// benchArgs is the call of maru bench.
func (s scenario) benchArgs(w *world, c contender, duration time.Duration) []string {
	scheme := s.scheme
	if scheme == "" {
		scheme = "ws"
	}
	args := []string{"bench", s.command, "--json", "--url", scheme + "://" + w.listen + c.path, "--duration", s.lasts(duration).String()}
	if s.command == "idle" {
		args = append(args, "--warmup", "0s", "--progress")
	}
	args = append(args, strings.Fields(strings.ReplaceAll(s.args, "{post}", cmp.Or(w.post, w.listen)))...)
	if c.socketIO {
		args = append(args, "--socketio", s.by)
	}
	if s.command == "fanout" || s.command == "echo" {
		args = append(args, c.messages...)
	}
	if s.command != "connect" && !s.apart {
		args = append(args, c.greeting...)
	}
	return args
}
