package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/fstest"
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
			report := fstest.MapFS{"index.json": {Data: []byte(test.index)}}
			err := judge(&said, report, test.expect, false)
			if (err == nil) != test.passes {
				t.Errorf("judge = %v, want a pass: %v", err, test.passes)
			}
			if !strings.Contains(said.String(), test.says) {
				t.Errorf("said %q, want %q", said.String(), test.says)
			}
		})
	}
}

// Which side's context counts depends on which side was the server; the negotiated extension
// says whether it was kept.
func TestJudgeTakeover(t *testing.T) {
	t.Parallel()
	const none = "; server_no_context_takeover; client_no_context_takeover"
	for name, test := range map[string]struct {
		agreed        []string // a case each
		suiteIsServer bool
		passes        bool
		says          string
	}{
		"kept":           {[]string{"permessage-deflate"}, false, true, "1 of 1 cases"},
		"kept somewhere": {[]string{"permessage-deflate" + none, "permessage-deflate; server_max_window_bits=12"}, false, true, "1 of 2 cases"},
		"not kept":       {[]string{"permessage-deflate" + none, ""}, false, false, "0 of 2 cases"},
		"the client's":   {[]string{"permessage-deflate; client_no_context_takeover"}, false, true, "1 of 1 cases"},
		"the server's":   {[]string{"permessage-deflate; server_no_context_takeover"}, false, false, "0 of 1 cases"},
		"as a client":    {[]string{"permessage-deflate; server_no_context_takeover"}, true, true, "1 of 1 cases"},
		"of no client":   {[]string{"permessage-deflate; client_no_context_takeover"}, true, false, "0 of 1 cases"},
		"no compression": {nil, false, true, "0 of 0 cases"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cases := map[string]outcome{"1.1.1": {"OK", "OK", "none.json"}}
			report := fstest.MapFS{}
			put := func(name string, v any) {
				data, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				report[name] = &fstest.MapFile{Data: data}
			}
			for i, agreed := range test.agreed {
				name := fmt.Sprint("12.1.", i+1)
				cases[name] = outcome{"OK", "OK", name + ".json"}
				answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Extensions: " + agreed + "\r\n\r\n"
				put(name+".json", map[string]any{"httpResponse": answer, "isServer": test.suiteIsServer})
			}
			put("index.json", map[string]any{"maru": cases})
			var said strings.Builder
			err := judge(&said, report, len(cases), true)
			if (err == nil) != test.passes || !strings.Contains(said.String(), test.says) {
				t.Errorf("judge = %v and said %q, want a pass: %v and %q", err, said.String(), test.passes, test.says)
			}
		})
	}
	missing := fstest.MapFS{"index.json": {Data: []byte(`{"maru":{"12.1.1":{"behavior":"OK","behaviorClose":"OK","reportfile":"gone.json"}}}`)}}
	if err := judge(io.Discard, missing, 1, true); err == nil {
		t.Error("a report without its cases passes")
	}
}
