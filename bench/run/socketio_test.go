package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// rooms is a record of five rounds of Socket.IO: npm's server needs 10 of everything, raw channels
// 1 and 2 by turns, and the others so many times as much as raw ones.
func rooms(maru, program float64) *record {
	r := &record{part: socketIOPart(), Machine: machine{Processor: "elsewhere"}, Versions: map[string][]string{maruName: {"1"}}}
	for _, s := range r.part.scenarios {
		for round := range enough {
			raw := float64(1 + round%2)
			for server, v := range map[string]float64{rawName: raw, maruName: raw * maru, packageName: raw * program, npmName: 10} {
				if s.only != nil && !slices.Contains(s.only, server) {
					continue
				}
				f := &figures{CPU: v, User: v, Rate: 1 / v, P50: v, P99: v, Memory: 500 * v}
				r.Measurements = append(r.Measurements, measurement{Scenario: s.name, Contender: server, Round: round, Figures: f})
			}
		}
	}
	return r
}

// The goals of issue 16 are judged by medians: those over raw channels by the ratio in each round,
// whatever the round was like, and for each of our servers by its own figures.
func TestSocketIOGoals(t *testing.T) {
	for name, c := range map[string]struct {
		maru, program float64
		want          map[string]string // by scenario; else yes
		other         map[string]string // the same for package socketio
	}{
		"as cheap as raw":      {1, 1, nil, nil},
		"at the aim":           {1.1, 1.1, nil, nil},
		"dear deliveries":      {1.15, 1, map[string]string{"socketio-fanout": notReached, "socketio-fanout10k": notReached}, nil},
		"dear rooms":           {1, 1.3, nil, map[string]string{"socketio-fanout": notReached, "socketio-fanout10k": notReached, "socketio-rooms": notReached}},
		"dear in all ways":     {3, 1, map[string]string{"socketio-idle": notReached, "socketio-fanout": notReached, "socketio-fanout10k": notReached, "socketio-rooms": notReached, "socketio-connect": notReached, "socketio-polling": notReached}, nil},
		"a cheaper one beside": {1, 0.5, nil, nil},
	} {
		r := rooms(c.maru, c.program)
		for _, g := range r.part.goals {
			want := c.want[g.scenario]
			if g.server() == packageName {
				want = c.other[g.scenario]
			}
			if want == "" {
				want = "yes"
			}
			if got, _ := r.reached(g); got != want {
				t.Errorf("%s: %s: %s, not %s", name, g.title, got, want)
			}
		}
	}
}

// The part has a heading, machine, table and goals of its own, after those of the peers.
func TestSocketIOPage(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, []*record{pieces(), rooms(1.05, 2)}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
	if err != nil {
		t.Fatal(err)
	}
	peers, part, found := strings.Cut(string(content), "\n# Socket.IO\n")
	if !found || strings.Contains(peers, "socketio-go") || strings.Contains(part, "| limit |") {
		t.Fatalf("the parts are not apart: %s", content)
	}
	for _, want := range []string{
		"- elsewhere, ",
		"| maru serve: CPU of a delivery to 1,000, one at a time, µs | 1.05 | 2.00 | 1.00 | 10.00 | 1.05 (1.05..1.05) | at most 1.1 of raw's | yes |",
		"| package socketio: CPU of a delivery in 1,000 rooms of 10, µs | 1.05 | 2.00 | 1.00 | 10.00 | 2.00 (2.00..2.00) | at most 1.2 of raw's | **no** |",
		"- Not reached: package socketio: CPU to connect by WebSocket, µs, at most 1.5 of raw's",
		"`maru bench connect --connections 256`, and `--socketio polling` for clients of Socket.IO",
	} {
		if !strings.Contains(part, want) {
			t.Errorf("no %q in %s", want, part)
		}
	}
}

// --only chooses a part, and with it the servers, the record and how another server is spoken to.
func TestParts(t *testing.T) {
	for only, want := range map[string]string{
		"": "peers, 14 scenarios", "peers": "peers, 14 scenarios", "idle,echo": "peers, 2 scenarios",
		"socketio": "socketio, 7 scenarios", "socketio-rooms": "socketio, 1 scenarios",
	} {
		p, chosen, err := choosePart(only)
		if got := fmt.Sprintf("%s, %d scenarios", p.name, len(chosen)); got != want || err != nil {
			t.Errorf("%q: %s, %v, not %s", only, got, err, want)
		}
	}
	var s settings
	mine := func(p part) contender { return another("mine", "serve {listen}", p.like) }
	if err := s.choose("socketio-connect", "mine,maru", []func(part) contender{mine}); err != nil || !s.servers[0].socketIO {
		t.Fatalf("%+v, %v", s.servers, err)
	}
	args := strings.Join(s.scenarios[0].benchArgs(&world{listen: "127.0.0.1:1"}, s.servers[0], briefly.duration), " ")
	if !strings.Contains(args, "--url ws://127.0.0.1:1/socket.io/ ") || !strings.Contains(args, "--socketio websocket") {
		t.Error(args)
	}
	// Files of charts are of one scenario each.
	var names []string
	for _, p := range parts() {
		names = append(names, called(p.scenarios)...)
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Error(names)
	}
}
