package interop_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// curl runs curl and returns its output.
func curl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("curl", append([]string{"-sS", "--max-time", "20"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %v: %v\n%s", args, err, out)
	}
	return string(out)
}

type position struct {
	Channel, Epoch string
	Offset         uint64
}

func TestCurlPublishes(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	p := dialNPMws(`{}`)(t, socketURL(server.URL))
	var last position
	for _, test := range []struct {
		args []string
		want event
	}{
		{[]string{"-d", "hello 마루"}, text("hello 마루")},
		{[]string{"-H", "Content-Type: text/plain", "--data-binary", "two\nlines"}, text("two\nlines")},
		{[]string{"-H", "Content-Type: application/json", "-d", `{ "price": 1.50 }`}, text(`{"price":1.50}`)},
		{[]string{"-H", "Content-Type: application/octet-stream", "-d", "raw"}, bytesOf("raw")},
	} {
		var at position
		said := curl(t, append(test.args, server.URL)...)
		if err := json.Unmarshal([]byte(said), &at); err != nil {
			t.Fatalf("curl %v: %q: %v", test.args, said, err)
		}
		if at.Channel != "hall" || at.Epoch == "" || at.Offset <= last.Offset || last.Epoch != "" && last.Epoch != at.Epoch {
			t.Errorf("curl %v: position %+v after %+v", test.args, at, last)
		}
		last = at
		expect(t, p, test.want)
	}
	for name, test := range map[string]struct {
		path   string
		args   []string
		status string
		code   string
	}{
		"not JSON":         {"/", []string{"-H", "Content-Type: application/json", "-d", "{"}, "400", "bad_json"},
		"not UTF-8":        {"/", []string{"-d", "\xff"}, "400", "bad_text"},
		"foreign origin":   {"/", []string{"-H", "Origin: http://evil.example", "-d", "x"}, "403", "not_allowed"},
		"foreign host":     {"/", []string{"-H", "Host: evil.example", "-d", "x"}, "421", "wrong_host"},
		"no such method":   {"/", []string{"-X", "PUT", "-d", "x"}, "405", "method_not_allowed"},
		"reserved channel": {"/channels/$sys", []string{"-d", "x"}, "403", "not_allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			said := curl(t, append(test.args, "-w", " %{http_code}", server.URL+test.path)...)
			if !strings.HasSuffix(said, " "+test.status) || !strings.Contains(said, `"code":"`+test.code+`"`) {
				t.Errorf("got %s, want %s and %s", said, test.status, test.code)
			}
		})
	}
}

// stream is curl -N reading server-sent events.
type stream struct{ *program.Process }

func curlStream(t testing.TB, url string, args ...string) stream {
	t.Helper()
	s := stream{program.Start(t, "curl", append([]string{"-sSN", "-i", "-H", "Accept: text/event-stream", url}, args...)...)}
	hear(t, s.Process, "HTTP/1.1 200 OK")
	typed := false
	for _, line := range s.block(t) {
		name, value, _ := strings.Cut(line, ": ")
		typed = typed || strings.EqualFold(name, "Content-Type") && value == "text/event-stream"
	}
	if !typed {
		t.Error("the content type is not text/event-stream")
	}
	return s
}

// block is everything up to the next empty line.
func (s stream) block(t testing.TB) (lines []string) {
	t.Helper()
	for {
		line := s.Stdout.Next(t)
		if line == "" {
			return lines
		}
		if !strings.HasPrefix(line, ": ") { // the padding of the first block
			lines = append(lines, line)
		}
	}
}

// expect compares the next blocks, in which POSITION stands for any position.
func (s stream) expect(t testing.TB, blocks ...string) (lastID string) {
	t.Helper()
	for _, want := range blocks {
		lines := s.block(t)
		for i, line := range lines {
			if id, ok := strings.CutPrefix(line, "id: "); ok {
				lines[i], lastID = "id: POSITION", id
			}
			if strings.HasPrefix(line, "retry: ") {
				lines[i] = "retry: N"
			}
			if strings.Contains(line, `"epoch":`) {
				lines[i] = "data: POSITION"
			}
		}
		if got := strings.Join(lines, "\n"); got != want {
			t.Fatalf("got block\n%s\nwant\n%s", got, want)
		}
	}
	return lastID
}

// beginning is the first block of a stream.
const beginning = "retry: N\nid: POSITION\nevent: position\ndata: POSITION"

func TestCurlStreams(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	say := func(text string) { publish(t, server.URL, "text/plain", text) }

	s := curlStream(t, server.URL)
	first := s.expect(t, beginning)
	say("hello 마루")
	s.expect(t, "id: POSITION\ndata: hello 마루")
	say("two\nlines\n")
	s.expect(t, "id: POSITION\ndata: two\ndata: lines\ndata: ")
	publish(t, server.URL, "application/json", `{"price": 1.50}`)
	s.expect(t, "id: POSITION\n"+`data: {"price":1.50}`)
	publish(t, server.URL, "application/octet-stream", "\x00\xff")
	s.expect(t, "id: POSITION\nevent: base64\ndata: AP8=")
	say("carriage\rreturn")
	last := s.expect(t, "id: POSITION\nevent: base64\ndata: Y2FycmlhZ2UNcmV0dXJu")
	s.Interrupt()
	s.Wait(t)

	say("missed one")
	say("missed two")
	again := curlStream(t, server.URL+"?since=0", "-H", "Last-Event-ID: "+last) // the header wins
	again.expect(t,
		beginning,
		"id: POSITION\ndata: missed one",
		"id: POSITION\ndata: missed two")
	say("live")
	again.expect(t, "id: POSITION\ndata: live")

	// The first block's id is enough to reconnect with.
	curlStream(t, server.URL, "-H", "Last-Event-ID: "+first).expect(t,
		beginning, "id: POSITION\ndata: hello 마루")

	unknown := curlStream(t, server.URL, "-H", "Last-Event-ID: nosuchepoch:3")
	unknown.expect(t, beginning, "event: gap\n"+`data: {"reason":"epoch"}`, "id: POSITION\ndata: hello 마루")

	foreign := curlStream(t, server.URL, "-H", "Last-Event-ID: not a position")
	foreign.expect(t, beginning, "event: gap\n"+`data: {"reason":"epoch"}`, "id: POSITION\ndata: hello 마루")
}
