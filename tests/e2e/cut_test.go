package e2e_test

import (
	"fmt"
	"net"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// hallThrough is the hall's address for a browser behind the relay. Page and socket use the
// same one, so it is one origin.
func hallThrough(r *program.Relay) string {
	_, port, _ := net.SplitHostPort(r.Addr)
	return "http://localhost:" + port
}

// The connections of two people are cut again and again while a third keeps talking: both see
// every message, once and in order.
func TestCutConnections(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	people := []*tab{openPage(t, hallThrough(relay), look{}), openPage(t, hallThrough(relay), look{language: "ko"})}
	people[0].signIn(t, "kim")
	people[1].signIn(t, "lee")

	var want []string
	third := func(n int) {
		for range n {
			text := fmt.Sprintf("message %d", len(want)+1)
			curl(t, server.URL, "park => "+text)
			want = append(want, text)
		}
	}
	third(2)
	for _, p := range people {
		p.texts(t, want)
	}
	for range 3 {
		relay.Cut()
		third(3)
		for _, p := range people {
			p.await(t, `document.querySelector("#state").dataset.state !== "open"`)
		}
		third(2)
		relay.Mend()
		third(3)
		for _, p := range people {
			p.state(t, "open")
		}
		third(1)
		for _, p := range people {
			p.texts(t, want)
		}
	}
	people[0].say(t, "here I am") // still by that name
	want = append(want, "here I am")
	for _, p := range people {
		p.texts(t, want)
		p.markers(t, 0)
		p.await(t, `[...document.querySelectorAll("#log .message")].at(-1).classList.contains("signed")`)
	}
}

// The server is stopped and started again. Both people reconnect, keep the messages on the
// page, receive a gap of a new epoch, and see the next message. The same holds after a drain,
// which sends them when to reconnect.
func TestServerRestarts(t *testing.T) {
	program.InOwnStep(t)
	for name, stop := range map[string]func(*program.Process){
		"at once": (*program.Process).Interrupt,
		"drained": (*program.Process).Terminate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testRestart(t, stop)
		})
	}
}

func testRestart(t *testing.T, stop func(*program.Process)) {
	server := program.Serve(t, maruPath, "--drain", "3s")
	people := []*tab{
		openPage(t, server.URL, look{}),
		openPage(t, server.URL, look{language: "ko", width: 390, height: 844, phone: true, dark: true}),
	}
	people[0].signIn(t, "kim")
	people[0].say(t, "in the old life")
	for _, p := range people {
		p.texts(t, []string{"in the old life"})
	}
	// The browser's own EventSource gives up forever if it is refused.
	people[0].await(t, `window.source ??= Object.assign(new EventSource("/channels/a"), {received: [], onmessage(e) { this.received.push(e.data) }}),
		window.source.readyState === EventSource.OPEN`)
	stop(server.Process)
	if code := server.Wait(t); code != 0 {
		t.Errorf("maru ended with %d, want 0", code)
	}
	for _, p := range people {
		p.await(t, `["waiting", "connecting"].includes(document.querySelector("#state").dataset.state)`)
	}
	people[0].photograph(t, "server-away")
	server = program.Serve(t, maruPath, "--listen", server.Addr)
	for _, p := range people {
		p.state(t, "open")
		p.markers(t, 1)
	}
	curl(t, server.URL, "park => in the new life")
	people[0].say(t, "by my name")
	for _, p := range people {
		p.shows(t,
			said{"kim", "in the old life", "signed"},
			said{"park", "in the new life", "unverified"},
			said{"kim", "by my name", "signed"})
		p.markers(t, 1)
		p.await(t, `document.querySelector("#log .marker").previousElementSibling.textContent.includes("in the old life")`)
	}
	for _, p := range people {
		p.here(t, "kim")
	}
	people[0].await(t, `window.source.readyState === EventSource.OPEN`)
	curl(t, server.URL+"/channels/a", "it is back")
	people[0].await(t, `window.source.received.includes("it is back")`)
	people[1].photograph(t, "server-anew")
}

// A person disconnects and reconnects by the buttons, and receives the messages in between.
func TestDisconnectAndConnect(t *testing.T) {
	program.InOwnStep(t)
	server := program.Serve(t, maruPath)
	p := openPage(t, server.URL, look{})
	curl(t, server.URL, "a => one")
	p.texts(t, []string{"one"})
	p.click(t, "#disconnect")
	p.state(t, "closed")
	curl(t, server.URL, "a => two")
	p.texts(t, []string{"one"})
	p.click(t, "#connect")
	p.state(t, "open")
	curl(t, server.URL, "a => three")
	p.texts(t, []string{"one", "two", "three"})
	p.neverOffline(t)
}
