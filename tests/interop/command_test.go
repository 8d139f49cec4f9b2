package interop_test

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

func maruPublish(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(maruPath, append([]string{"publish"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("maru publish %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// maru publish and maru subscribe, over a lost connection and a restarted server.
func TestPublishAndSubscribe(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	relay := program.NewRelay(t, server.Addr)
	say := func(text string) { maruPublish(t, "hall", text, "--server", server.URL) }

	if at := maruPublish(t, "hall", "before", "--server", server.URL); !regexp.MustCompile(`^\w+:\d+$`).MatchString(at) {
		t.Errorf("publish printed %q, want a position", at)
	}
	p := program.Start(t, maruPath, "subscribe", "hall", "--server", "http://"+relay.Addr, "--last", "1")
	hear(t, p, "before")
	say("hello 마루")
	hear(t, p, "hello 마루")

	relay.Cut()
	p.Stderr.Await(t, "trying again")
	say("missed one")
	say("missed two")
	relay.Mend()
	hear(t, p, "missed one")
	hear(t, p, "missed two")

	server.Stop(t)
	server = program.Serve(t, maruPath, "--listen", server.Addr)
	say("a new life")
	p.Stderr.Await(t, "began anew")
	hear(t, p, "a new life")

	if code := p.Stop(t); code != 0 {
		t.Errorf("maru subscribe ended with %d, want 0", code)
	}
}

// The commands work at the lecture's server too, which knows only WebSocket, with each of its
// settings of compression.
func TestPublishAndSubscribeAtLectureServer(t *testing.T) {
	t.Parallel()
	for _, options := range []string{`{}`, `{"perMessageDeflate":{"threshold":0}}`, `{"perMessageDeflate":{"serverNoContextTakeover":false,"threshold":0}}`, `{"path":"/"}`} {
		server := program.Start(t, "node", "lecture-server.js", options)
		url := "http://127.0.0.1:" + strings.TrimPrefix(server.Stdout.Await(t, "listening on "), "listening on ")
		p := program.Start(t, maruPath, "subscribe", "hall", "--server", url, "--count", "2")
		server.Stdout.Await(t, "New client connected!")
		for _, text := range []string{"kim => hello", "이 => 안녕"} {
			if said := maruPublish(t, "hall", text, "--server", url); said != "" {
				t.Errorf("%s: publish said %q", options, said)
			}
			hear(t, p, text)
		}
		if code := p.Wait(t); code != 0 {
			t.Errorf("%s: maru subscribe ended with %d, want 0", options, code)
		}
	}
}

// The same with all fields of each publication, and from several channels.
func TestSubscribeJSON(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	p := program.Start(t, maruPath, "subscribe", "--json", "quotes", "--since", "0", "--count", "3", "--server", server.URL)
	maruPublish(t, "quotes", `{ "price": 1 }`, "--json", "--key", "MOON", "--server", server.URL)
	maruPublish(t, "quotes", "plain", "--server", server.URL)

	lines := exec.Command(maruPath, "publish", "quotes", "--lines", "--binary", "--server", server.URL)
	lines.Stdin = strings.NewReader("raw\n")
	if out, err := lines.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		`"offset":1,"kind":"json","data":{"price":1},"key":"MOON"`,
		`"offset":2,"kind":"text","data":"plain"`,
		`"offset":3,"kind":"binary","data":"cmF3"`,
	} {
		if line := p.Stdout.Next(t); !strings.HasPrefix(line, `{"channel":"quotes","epoch":"`) || !strings.Contains(line, want) {
			t.Errorf("got %s, want %s in it", line, want)
		}
	}
	if code := p.Wait(t); code != 0 { // by --count
		t.Errorf("maru subscribe ended with %d, want 0", code)
	}
}
