package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of a build
	Test        string
	Elapsed     float64
	Output      string
	FailedBuild string
}

// goTests counts the tests in the output of `go test -json`. It prints a line for each
// package, and every line that is not JSON.
type goTests struct {
	out     io.Writer
	count   *tally
	outputs map[string]*strings.Builder // by package and test, or the build
	parents map[string]bool             // tests that have subtests
	broken  map[string]int              // by package: tests that failed
	failed  map[string]bool             // tests below which one failed
}

func (g *goTests) read(r io.Reader) error {
	g.outputs, g.parents = make(map[string]*strings.Builder), make(map[string]bool)
	g.broken, g.failed = make(map[string]int), make(map[string]bool)
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if line[0] != '{' || json.Unmarshal(line, &e) != nil {
				g.out.Write(line)
			} else {
				g.event(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (g *goTests) event(e event) {
	if e.Test == "" {
		g.pkg(e)
		return
	}
	key := e.Package + "." + e.Test
	switch e.Action {
	case "run":
		for parent, rest := cutTest(e.Test); rest; parent, rest = cutTest(parent) {
			g.parents[e.Package+"."+parent] = true
		}
	case "output":
		g.keep(key, e.Output)
	case "pass":
		if !g.parents[key] {
			g.count.pass(1)
		}
		delete(g.outputs, key)
	case "skip":
		if !g.parents[key] {
			g.count.skip(key, g.reason(key))
		}
		delete(g.outputs, key)
	case "fail":
		// The output of a test whose subtest failed is still of use, but it is one failure.
		if !g.failed[key] {
			g.count.fail(key, g.output(key))
			g.broken[e.Package]++
		}
		for parent, rest := cutTest(e.Test); rest; parent, rest = cutTest(parent) {
			g.failed[e.Package+"."+parent] = true
		}
		delete(g.outputs, key)
	}
}

// pkg handles an event of a whole package or of a build.
func (g *goTests) pkg(e event) {
	switch e.Action {
	case "build-output":
		g.keep(e.ImportPath, e.Output)
		io.WriteString(g.out, e.Output)
	case "output":
		g.keep(e.Package, e.Output)
		if !quiet(e.Output) {
			io.WriteString(g.out, e.Output)
		}
	case "fail":
		if g.broken[e.Package] == 0 {
			g.count.fail(e.Package, g.output(e.FailedBuild)+g.output(e.Package)+g.unfinished(e.Package))
		}
		g.forget(e.Package)
	case "pass", "skip":
		g.forget(e.Package)
	}
}

// quiet reports whether the line at the end of the package says the same.
func quiet(line string) bool {
	line = strings.TrimSpace(line)
	return line == "PASS" || line == "FAIL" || strings.Contains(line, "[no test files]")
}

func cutTest(name string) (parent string, ok bool) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", false
	}
	return name[:i], true
}

func (g *goTests) keep(key, output string) {
	if g.outputs[key] == nil {
		g.outputs[key] = new(strings.Builder)
	}
	g.outputs[key].WriteString(output)
}

func (g *goTests) output(key string) string {
	if b := g.outputs[key]; b != nil {
		return b.String()
	}
	return ""
}

// unfinished is the output of the tests of a package that never ended: one of them may
// have panicked, or have brought the program to its end.
func (g *goTests) unfinished(pkg string) string {
	var s strings.Builder
	for key, b := range g.outputs {
		if strings.HasPrefix(key, pkg+".") {
			fmt.Fprintf(&s, "%s did not end:\n%s", key, b)
		}
	}
	return s.String()
}

func (g *goTests) forget(pkg string) {
	delete(g.outputs, pkg)
	for key := range g.outputs {
		if strings.HasPrefix(key, pkg+".Test") || strings.HasPrefix(key, pkg+".Fuzz") || strings.HasPrefix(key, pkg+".Example") {
			delete(g.outputs, key)
		}
	}
}

var place = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

// reason is what a test that was skipped gave as its reason.
func (g *goTests) reason(key string) string {
	reason := ""
	for line := range strings.Lines(g.output(key)) {
		if m := place.FindStringSubmatch(line); m != nil {
			reason = strings.TrimSpace(m[1])
		}
	}
	if reason == "" {
		return "no reason given"
	}
	return reason
}
