package interop_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// sse is one event of npm eventsource, as events.js writes it.
type sse struct{ Kind, ID, Data string }

func nextEvent(t testing.TB, p *program.Process) (e sse) {
	t.Helper()
	line := p.Stdout.Next(t)
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("events.js wrote %q: %v", line, err)
	}
	return e
}

// messages reads until that message and returns the data of all up to it.
func messages(t testing.TB, p *program.Process, last string) (all []string) {
	t.Helper()
	for {
		switch e := nextEvent(t, p); e.Kind {
		case "message":
			if all = append(all, e.Data); e.Data == last {
				return all
			}
		case "gap":
			all = append(all, "gap "+e.Data)
		}
	}
}

// npm eventsource reconnects by itself, with the last id, and misses nothing.
func TestEventSourceRecovers(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	say := func(text string) { publish(t, server.URL, "text/plain", text) }

	p := program.Start(t, "node", "events.js", "http://"+relay.Addr)
	nextEvent(t, p) // open
	say("one")
	if got, want := messages(t, p, "one"), []string{"one"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	relay.Cut()
	for _, text := range []string{"two", "three\nand more"} {
		say(text)
	}
	relay.Mend()
	say("four")
	if got, want := messages(t, p, "four"), []string{"two", "three\nand more", "four"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// A restarted server has another epoch, and reports a gap.
	if code := server.Stop(t); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	server = program.Serve(t, maruPath, "--listen", server.Addr)
	say("five")
	if got, want := messages(t, p, "five"), []string{`gap {"reason":"epoch"}`, "five"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A client that missed more than the history retains receives a gap with its range.
func TestEventSourceGap(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath, "--history", "2")
	relay := program.NewRelay(t, server.Addr)
	p := program.Start(t, "node", "events.js", "http://"+relay.Addr)
	nextEvent(t, p)
	publish(t, server.URL, "text/plain", "1")
	messages(t, p, "1")
	relay.Cut()
	for _, text := range strings.Split("2 3 4 5", " ") {
		publish(t, server.URL, "text/plain", text)
	}
	relay.Mend()
	if got, want := messages(t, p, "5"), []string{`gap {"reason":"expired","from":2,"to":3}`, "4", "5"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
