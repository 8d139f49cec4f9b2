package interop_test

import (
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// An example announces its address when it listens there, and not before: where the port is taken
// it names the flag that chooses another, and no address to open.
func TestExamplesAnnounceWhereTheyListen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	dir := t.TempDir()
	names := []string{"chat", "echo", "quotes", "todo"}
	var packages []string
	for _, name := range names {
		packages = append(packages, "./examples/"+name)
	}
	must(t, program.Build("../..", dir, packages...))
	for _, name := range names {
		p := program.Start(t, filepath.Join(dir, name), "--listen", taken.Addr().String())
		code := p.Wait(t)
		said := p.Stdout.String() + p.Stderr.String()
		if code == 0 || strings.Contains(said, "://") || !strings.Contains(said, "--listen") {
			t.Errorf("%s ended with %d and said %q", name, code, said)
		}

		p = program.Start(t, filepath.Join(dir, name), "--listen", "127.0.0.1:0")
		lines := p.Stderr
		if name == "echo" {
			lines = p.Stdout
		}
		_, address, _ := strings.Cut(lines.Await(t, "://"), "://")
		address, _, _ = strings.Cut(strings.FieldsFunc(address, func(r rune) bool { return r == ' ' || r == ',' })[0], "/")
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Errorf("%s does not listen at the address that it announces: %v", name, err)
			continue
		}
		c.Close()
	}
}

// examples/lecture serves the lecture's page and runs its server with one command. Where a port is
// taken it says so in Korean, and what to do.
func TestExampleLecture(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Abs("node_modules")
	must(t, err)
	start := func(port, page string) *program.Process {
		cmd := exec.Command("node", "start.js")
		cmd.Dir = "../../examples/lecture"
		cmd.Env = append(os.Environ(), "NODE_PATH="+modules, "PORT="+port, "PAGE_PORT="+page)
		return program.StartCommand(t, cmd)
	}
	p := start("0", "0")
	url := regexp.MustCompile(`ws://\S+`).FindString(p.Stdout.Await(t, "ws://"))
	page := regexp.MustCompile(`http://\S+`).FindString(p.Stdout.Await(t, "http://"))
	lecture(t, url)
	answer, err := http.Get(page)
	must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	must(t, err)
	if !strings.Contains(string(body), "'ws://localhost:3000'") || answer.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%v: %s", answer.Header, body)
	}
	taken := start(url[strings.LastIndex(url, ":")+1:], "0")
	if code := taken.Wait(t); code != 1 || !strings.Contains(taken.Stderr.String(), "npm run page") {
		t.Errorf("at a taken port it ended with %d: %s", code, taken.Stderr)
	}
}
