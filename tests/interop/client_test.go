package interop_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// read reads the output of client.mjs until all of want was there, and returns the publications
// and gaps on the way, in order.
func read(t testing.TB, p *program.Process, want ...string) (all []string) {
	t.Helper()
	for len(want) > 0 {
		var line struct{ Kind, Data string }
		if err := json.Unmarshal([]byte(p.Stdout.Next(t)), &line); err != nil {
			t.Fatal(err)
		}
		if line.Kind == "publication" || line.Kind == "gap" {
			all = append(all, line.Data)
		}
		if i := slices.Index(want, line.Kind+" "+line.Data); i >= 0 {
			want = slices.Delete(want, i, i+1)
		}
	}
	return all
}

// The client in Node.js recovers after a cut, and its publications during the cut exist once.
// When its input ends it closes everything, and Node.js exits.
func TestClientInNode(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	say := func(text string) { publish(t, server.URL+"/channels/chat", "text/plain", text) }
	say("before")
	p := program.Start(t, "node", "client.mjs", "http://"+relay.Addr)
	if got, want := read(t, p, "subscribed false", "publication before"), []string{"before"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for round := range 3 {
		relay.Cut()
		read(t, p, "state waiting")
		if round == 0 {
			read(t, p, "state waiting") // the next attempt fails too
		}
		missed, mine, after := fmt.Sprint("missed ", round), fmt.Sprint("mine ", round), fmt.Sprint("after ", round)
		say(missed)
		fmt.Fprintln(p, mine)
		relay.Mend()
		got := read(t, p, "subscribed true", "ack true", "publication "+mine)
		say(after)
		got = append(got, read(t, p, "publication "+after)...)
		if want := []string{missed, mine, after}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	p.CloseInput()
	if code := p.Wait(t); code != 0 {
		t.Errorf("node ended with %d\n%s", code, p.Stderr)
	}
}
