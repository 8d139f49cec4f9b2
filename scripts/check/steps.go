package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The program is built and tested as it is released: static, and without the paths of
// this machine. So the packages are compiled once for the tests and for the programs
// that tests build.
var released = []string{"CGO_ENABLED=0", "GOFLAGS=" + strings.TrimSpace(os.Getenv("GOFLAGS")+" -buildvcs=false -trimpath")}

// The race detector needs a C compiler, and its programs use C's resolver.
var raced = []string{"CGO_ENABLED=1", released[1]}

// ownStep lets tests run that take a browser, bundlers or whole builds, which go test skips
// otherwise.
var ownStep = append([]string{"E2E=1"}, released...)

// steps in the order in which they begin. Two of them run at a time, so what waits much
// (browsers, programs that are stopped and started) runs beside what computes.
var steps = []*step{
	{name: "install", first: true, do: func(j *job) error { return j.do(".", nil, "scripts/install.sh") }},
	{name: "format", do: format},
	{name: "web", do: web},
	{name: "vet", do: func(j *job) error { return j.do(".", released, "go", "vet", "./...") }},
	{name: "foreign", do: foreign},
	{name: "race", after: []string{"foreign"}, do: race},
	{name: "test", after: []string{"vet"}, do: test},
	{name: "programs", after: []string{"test"}, do: programs},
	{name: "fuzz", after: []string{"vet"}, do: fuzz},
	{name: "e2e", after: []string{"vet"}, do: e2e},
	{name: "modules", after: []string{"vet"}, do: modules},
	// It measures, for a tenth of a second each, so not beside what takes all processors.
	{name: "bench", after: []string{"race", "fuzz"}, do: func(j *job) error { return module(j, "bench") }},
}

func format(j *job) error {
	var files []string
	err := walk(func(path string, d fs.DirEntry) {
		if strings.HasSuffix(path, ".go") {
			files = append(files, path)
		}
	})
	if err != nil {
		return err
	}
	wrong, err := output(".", nil, "gofmt", append([]string{"-l"}, files...)...)
	if err == nil && wrong != "" {
		j.WriteString(wrong)
		err = errors.New("these files are not formatted by gofmt")
	}
	return err
}

// foreign checks the packages and their tests for the systems that they do not run on
// here: types, and the checks of go vet. It reads sources, so nothing is compiled.
func foreign(j *job) error {
	var failed []error
	for _, system := range []string{"darwin", "windows"} {
		failed = append(failed, j.do("scripts/vet", released, "go", "run", ".", "-C", "../..", "-os", system, "./..."))
	}
	return errors.Join(failed...)
}

// withoutRace are directories whose tests run whole programs, which are built without the
// race detector.
var withoutRace = []string{"tests", "examples", "deploy", "scripts"}

// ofE2E are those of them that take a browser, bundlers, proxies or systemd, and minutes.
var ofE2E = []string{"tests/e2e", "tests/npm", "tests/proxies", "tests/restart"}

func race(j *job) error {
	list, err := units()
	if err != nil {
		return err
	}
	return j.test(".", raced, append([]string{"-race"}, list...)...)
}

// test runs what race runs without the race detector: tests that count allocations
// exist only here.
func test(j *job) error {
	list, err := units()
	if err != nil {
		return err
	}
	return j.test(".", released, list...)
}

// units are the packages of race and test.
func units() ([]string, error) { return packages([]string{"."}, withoutRace...) }

// programs are tests that build programs with the Go tool. The cache of test results does not know
// of that, so they always run.
func programs(j *job) error {
	list, err := packages(withoutRace, ofE2E...)
	if err != nil {
		return err
	}
	return j.test(".", ownStep, append([]string{"-count=1"}, list...)...)
}

func e2e(j *job) error {
	list, err := packages(ofE2E)
	if err != nil {
		return err
	}
	return j.test(".", ownStep, append([]string{"-count=1"}, list...)...)
}

// modules are those inside this one, with dependencies that maru has not. One of them is
// a step of its own.
func modules(j *job) error {
	var dirs []string
	err := walk(func(path string, d fs.DirEntry) {
		if dir := filepath.Dir(path); d.Name() == "go.mod" && dir != "." && dir != "bench" {
			dirs = append(dirs, dir)
		}
	})
	if err != nil {
		return err
	}
	slices.Sort(dirs)
	var failed []error
	for _, dir := range dirs {
		failed = append(failed, module(j, dir))
	}
	return errors.Join(failed...)
}

func module(j *job, dir string) error {
	fmt.Fprintln(j, dir)
	return errors.Join(j.do(dir, released, "go", "vet", "./..."), j.test(dir, released, "-count=1", "./..."))
}

// walk calls do for all files of the module and of the modules inside it.
func walk(do func(path string, d fs.DirEntry)) error {
	return filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return fs.SkipDir
		}
		if !d.IsDir() {
			do(path, d)
		}
		return nil
	})
}
