package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// instrumented are the packages whose branches guide the fuzzer: ours, and the libraries
// that parse for us. `go test -fuzz` would have the whole standard library instrumented, and
// compiled once more.
var instrumented = []string{
	"encoding/json",
	"github.com/golang-jwt/jwt/v5",
	"github.com/klauspost/compress/flate",
	"github.com/pelletier/go-toml/v2/...",
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w*)\(`)

// fuzz fuzzes every target for FUZZTIME (3s). An input that fails is kept under testdata/fuzz
// of its package. Commit it with the repair: it is a test from then on.
func fuzz(j *job) error {
	targets := make(map[string][]string) // by directory
	var unread error
	err := walk(func(path string, d fs.DirEntry) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		b, err := os.ReadFile(path)
		unread = errors.Join(unread, err)
		for _, m := range fuzzTarget.FindAllSubmatch(b, -1) {
			targets[filepath.Dir(path)] = append(targets[filepath.Dir(path)], string(m[1]))
		}
	})
	if err := errors.Join(err, unread); err != nil {
		return err
	}
	if len(targets) == 0 {
		return errors.New("no fuzz target was found")
	}
	module, err := output(".", nil, "go", "list", "-m")
	if err != nil {
		return err
	}
	flags := []string{"test", "-c"}
	for _, pkg := range append(instrumented, strings.TrimSpace(module)+"/...") {
		flags = append(flags, "-gcflags="+pkg+"=-d=libfuzzer")
	}
	scratch, err := os.MkdirTemp("", "fuzz")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	cache, err := output(".", nil, "go", "env", "GOCACHE")
	if err != nil {
		return err
	}
	failed := 0
	for _, dir := range slices.Sorted(maps.Keys(targets)) {
		program := filepath.Join(scratch, "fuzz.test")
		if err := j.do(dir, released, "go", append(flags, "-o", program, ".")...); err != nil {
			j.count.fail("fuzz "+dir, err.Error())
			failed++
			continue
		}
		for _, target := range targets[dir] {
			corpus := filepath.Join(strings.TrimSpace(cache), "fuzz", strings.TrimSpace(module), dir)
			if out, ok := fuzzOne(dir, program, target, corpus); ok {
				j.count.pass(1)
				fmt.Fprintf(j, "%s\t%s\t%s\n", dir, target, lastFigures(out))
			} else {
				fmt.Fprintf(j, "FAIL\t%s\t%s\n", dir, target)
				j.count.fail("fuzz "+dir+" "+target, out)
				failed++
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d failed", failed)
	}
	return nil
}

// fuzzOne fuzzes a target. On a busy machine the end of the fuzzing time may be
// taken for a failure. That, and only that, is tried once more.
func fuzzOne(dir, program, target, corpus string) (string, bool) {
	for again := false; ; again = true {
		var out bytes.Buffer
		cmd := command(dir, nil, program, "-test.run=^$", "-test.fuzz=^"+target+"$",
			"-test.fuzztime="+cmp.Or(os.Getenv("FUZZTIME"), "3s"), "-test.fuzzcachedir="+corpus)
		cmd.Stdout, cmd.Stderr = &out, &out
		if cmd.Run() == nil {
			return out.String(), true
		}
		late := strings.Contains(out.String(), "context deadline exceeded") && !strings.Contains(out.String(), "Failing input")
		if again || !late {
			return out.String(), false
		}
	}
}

// lastFigures is how many inputs were tried.
func lastFigures(out string) string {
	figures := ""
	for line := range strings.Lines(out) {
		if i := strings.Index(line, "execs: "); i >= 0 {
			figures = strings.TrimSpace(line[i:])
		}
	}
	return figures
}
