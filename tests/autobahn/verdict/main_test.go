package main

import (
	"os"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	t.Parallel()
	recorded, err := os.ReadFile("testdata/index.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		index  string
		expect int
		passes bool
		says   string
	}{
		"a recorded report": {string(recorded), 6, true, "maru: 6 cases, 2 INFORMATIONAL, 4 OK\n"},
		"too few cases":     {string(recorded), 7, false, "maru: 7 cases were expected\n"},
		"too many cases":    {string(recorded), 5, false, "maru: 5 cases were expected\n"},
		"failed":            {`{"a":{"9.2.10":{"behavior":"FAILED","behaviorClose":"OK"}}}`, 1, false, "a 9.2.10: FAILED, close OK\n"},
		"failed to close":   {`{"a":{"1.1.1":{"behavior":"OK","behaviorClose":"UNCLEAN"}}}`, 1, false, "a 1.1.1: OK, close UNCLEAN\n"},
		"seen late":         {`{"a":{"6.4.1":{"behavior":"NON-STRICT","behaviorClose":"OK"}}}`, 1, false, "NON-STRICT"},
		"declined":          {`{"a":{"12.1.1":{"behavior":"UNIMPLEMENTED","behaviorClose":"OK"}}}`, 1, false, "UNIMPLEMENTED"},
		"nothing is said":   {`{"a":{"1.1.1":{}}}`, 1, false, "a 1.1.1"},
		"in order": {
			`{"a":{"9.2.10":{"behavior":"FAILED"},"10.1.1":{"behavior":"FAILED"},"9.2.9":{"behavior":"FAILED"}}}`, 3, false,
			"a 9.2.9: FAILED, close \na 9.2.10: FAILED, close \na 10.1.1: FAILED, close \n",
		},
		"empty":    {`{}`, 1, false, ""},
		"no cases": {`{"a":{}}`, 1, false, "a: 0 cases\n"},
		"no JSON":  {`<html>`, 1, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			err := judge(&said, []byte(test.index), test.expect)
			if (err == nil) != test.passes {
				t.Errorf("judge = %v, want a pass: %v", err, test.passes)
			}
			if !strings.Contains(said.String(), test.says) {
				t.Errorf("said %q, want %q", said.String(), test.says)
			}
		})
	}
}
