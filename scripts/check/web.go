package main

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// web runs the tests of the client for browsers and of the scripts of the pages, and
// checks their types.
func web(j *job) error {
	dir, err := os.MkdirTemp("", "check")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tap := filepath.Join(dir, "tap")
	failed := []error{j.do(".", nil, "node", "--test",
		"--test-reporter=spec", "--test-reporter-destination=stdout",
		"--test-reporter=tap", "--test-reporter-destination="+tap,
		"js/tests", "internal/web/js_test")}
	b, err := os.ReadFile(tap)
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	spec := j.String()
	countTAP(j.count, string(b), spec)
	if failed[0] == nil {
		j.Reset() // it names every test
	}
	for _, project := range []string{"js", "internal/web"} {
		failed = append(failed, j.do(".", nil, "internal/web/node_modules/.bin/tsc", "-p", project))
	}
	return errors.Join(failed...)
}

var (
	tapTest  = regexp.MustCompile(`^\s*(not )?ok \d+ - (.*)$`)
	tapTotal = regexp.MustCompile(`^# (pass|fail|cancelled|skipped|todo) (\d+)$`)
)

// countTAP counts the tests of node's TAP output (https://testanything.org): how many, by
// the totals at its end, and the reasons of those that were skipped. For failures, node's other output
// has more: all of it belongs to the first failure.
func countTAP(t *tally, tap, output string) {
	lines := bufio.NewScanner(strings.NewReader(tap))
	var failing []string
	totals := make(map[string]int)
	for lines.Scan() {
		if m := tapTotal.FindStringSubmatch(lines.Text()); m != nil {
			totals[m[1]], _ = strconv.Atoi(m[2])
		}
		m := tapTest.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		name, directive, _ := strings.Cut(m[2], " # ")
		switch word, reason, _ := strings.Cut(directive, " "); {
		case word == "SKIP" || word == "TODO":
			if reason == "" {
				reason = "no reason given"
			}
			t.skip("node: "+name, reason)
		case m[1] != "":
			failing = append(failing, name)
		}
	}
	t.pass(totals["pass"])
	if n := totals["fail"] + totals["cancelled"]; n > 0 {
		t.fail("node: "+strings.Join(failing, "; "), output)
		for range n - 1 {
			t.fail("node: see above", "")
		}
	}
}
