package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// counted runs `go test -json` on a package of one file and counts its tests.
func counted(t *testing.T, source string) (count *tally, printed string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.test/pkg\n\ngo 1.26.0\n", "some_test.go": "package pkg\n" + source} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "test", "-json", ".")
	cmd.Dir = dir
	out, err := cmd.Output() // a failure of the tests is one to be counted
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var print bytes.Buffer
	g := goTests{out: &print, count: &tally{}}
	if err := g.read(bytes.NewReader(out)); err != nil {
		t.Fatal(err)
	}
	return g.count, print.String()
}

func TestCountGo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source  string
		line    string
		failure string // in the output of the first failure
		reason  string
	}{
		"passes": {
			source: `import "testing"; func TestA(t *testing.T) {}; func TestB(t *testing.T) {}`,
			line:   "2 passed, 0 failed, 0 skipped"},
		"subtests count, their test does not": {
			source: `import "testing"; func TestA(t *testing.T) { for _, n := range []string{"x", "y", "y/z"} { t.Run(n, func(*testing.T) {}) } }`,
			line:   "3 passed, 0 failed, 0 skipped"},
		"a subtest fails": {
			source:  `import "testing"; func TestA(t *testing.T) { t.Run("x", func(t *testing.T) { t.Error("broken here") }); t.Run("y", func(*testing.T) {}) }`,
			line:    "1 passed, 1 failed, 0 skipped",
			failure: "broken here"},
		"a test fails beside its subtests": {
			source:  `import "testing"; func TestA(t *testing.T) { t.Run("x", func(t *testing.T) {}); t.Error("broken after") }`,
			line:    "1 passed, 1 failed, 0 skipped",
			failure: "broken after"},
		"skipped with its reason": {
			source: `import "testing"; func TestA(t *testing.T) { t.Skip("it is a matter of luck") }`,
			line:   "0 passed, 0 failed, 1 skipped",
			reason: "it is a matter of luck"},
		"panics": {
			source:  `import "testing"; func TestA(t *testing.T) {}; func TestB(t *testing.T) { panic("lost") }`,
			line:    "1 passed, 1 failed, 0 skipped",
			failure: "lost"},
		"ends the program": {
			source:  `import ("os"; "testing"); func TestB(t *testing.T) { println("bye"); os.Exit(3) }`,
			line:    "0 passed, 1 failed, 0 skipped",
			failure: "bye"},
		"does not compile": {
			source:  `import "testing"; func TestA(t *testing.T) { nothing() }`,
			line:    "0 passed, 1 failed, 0 skipped",
			failure: "undefined: nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			count, printed := counted(t, c.source)
			if count.line() != c.line {
				t.Errorf("%s, want %s; printed:\n%s", count.line(), c.line, printed)
			}
			if c.failure != "" && (len(count.failures) == 0 || !strings.Contains(count.failures[0].output, c.failure)) {
				t.Errorf("failures: %q, want %q in the first", count.failures, c.failure)
			}
			if c.reason != "" && count.skipped[c.reason] == nil {
				t.Errorf("skipped: %q, want the reason %q", count.skipped, c.reason)
			}
			if !strings.Contains(printed, "example.test/pkg") {
				t.Errorf("no line names the package:\n%s", printed)
			}
		})
	}
}

func TestCountTAP(t *testing.T) {
	t.Parallel()
	const tap = `TAP version 13
# Subtest: a
ok 1 - a
# Subtest: b
not ok 2 - b
  ---
  error: 'is wrong'
  ...
ok 3 - c # SKIP no browser
1..3
# tests 3
# suites 0
# pass 1
# fail 1
# cancelled 0
# skipped 1
# todo 0
`
	var count tally
	countTAP(&count, tap, "b is wrong")
	if count.line() != "1 passed, 1 failed, 1 skipped" {
		t.Error(count.line())
	}
	var out bytes.Buffer
	count.write(&out)
	for _, want := range []string{"node: b\nb is wrong\n", "no browser: node: c"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}

// The output of two steps is not mixed, what has to be first is first, and one that fails
// does not stop the others.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		takes := func(d time.Duration, err error) func(*job) error {
			return func(j *job) error {
				j.WriteString("begins\n")
				time.Sleep(d)
				j.WriteString("ends\n")
				j.count.pass(1)
				return err
			}
		}
		var out bytes.Buffer
		var total tally
		ok := run(&out, []*step{
			{name: "one", do: takes(40*time.Second, errors.New("broken"))},
			{name: "two", do: takes(20*time.Second, nil)},
			{name: "last", after: []string{"one"}, do: takes(time.Second, nil)},
			{name: "three", do: takes(5*time.Second, nil)},
		}, 2, &total)
		want := `
== two
begins
ends
-- two: ok, 1 passed, 0 failed, 0 skipped, 20 s

== three
begins
ends
-- three: ok, 1 passed, 0 failed, 0 skipped, 5 s

== one
begins
ends
-- one: FAILED (broken), 1 passed, 0 failed, 0 skipped, 40 s

== last
begins
ends
-- last: ok, 1 passed, 0 failed, 0 skipped, 1 s
`
		if out.String() != want {
			t.Errorf("printed %s\nwant %s", &out, want)
		}
		if ok || total.line() != "4 passed, 1 failed, 0 skipped" {
			t.Errorf("ok: %v, %s", ok, total.line())
		}
	})
}

func TestNothingRunsWithoutTheFirst(t *testing.T) {
	t.Parallel()
	for _, broken := range []error{nil, errors.New("broken")} {
		var ran []string
		do := func(name string, err error) func(*job) error {
			return func(*job) error { ran = append(ran, name); return err }
		}
		ok := run(new(bytes.Buffer), []*step{{name: "first", first: true, do: do("first", broken)}, {name: "next", do: do("next", nil)}}, 1, &tally{})
		want := []string{"first", "next"}
		if broken != nil {
			want = want[:1]
		}
		if ok != (broken == nil) || !slices.Equal(ran, want) {
			t.Errorf("first ends with %v: ran %v, ok %v", broken, ran, ok)
		}
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	some, err := choose(steps, []string{"race", "install"})
	if err != nil || !slices.Equal(names(some), []string{"install", "race"}) {
		t.Errorf("%v, %v", names(some), err)
	}
	if all, err := choose(steps, nil); err != nil || len(all) != len(steps) {
		t.Errorf("%v, %v", names(all), err)
	}
	if _, err := choose(steps, []string{"rice"}); err == nil {
		t.Error("a step that does not exist was chosen")
	}
}

// Every package is in the step test, in programs or in e2e, and in one of them only.
func TestEveryPackageIsTested(t *testing.T) {
	t.Chdir("../..") // where the steps run
	var tested []string
	for _, list := range []func() ([]string, error){
		units,
		func() ([]string, error) { return packages(withoutRace, ofE2E...) },
		func() ([]string, error) { return packages(ofE2E) },
	} {
		some, err := list()
		if err != nil || len(some) == 0 {
			t.Fatal(some, err)
		}
		tested = append(tested, some...)
	}
	all, err := packages([]string{"."})
	slices.Sort(tested)
	if err != nil || !slices.Equal(tested, all) {
		t.Errorf("%v\nwant %v, %v", tested, all, err)
	}
}

// What a step waits for has to exist, and stand before it.
func TestSteps(t *testing.T) {
	t.Parallel()
	for i, s := range steps {
		for _, name := range s.after {
			if !slices.Contains(names(steps[:i]), name) {
				t.Errorf("%s waits for %s, which is not before it", s.name, name)
			}
		}
	}
}
