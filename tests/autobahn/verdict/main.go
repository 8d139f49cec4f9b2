// Verdict says whether a report of the Autobahn suite is a pass:
//
//	go run ./tests/autobahn/verdict DIR --expect 247 [--context-takeover]
//
// The suite itself exits with 0 whatever it has found. A pass is a report on exactly that many
// cases. Each case and its close must be OK or INFORMATIONAL; NON-STRICT (a fault seen late)
// and UNIMPLEMENTED (a declined extension) do not pass. Everything else is printed, and the
// exit code is 1. With --context-takeover it is also a fault if the report has compression
// cases (12 and 13), and maru kept its context in none of them.
// 13) and in none of them maru kept its context.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	flags := flag.NewFlagSet("verdict", flag.ExitOnError)
	expect := flags.Int("expect", 0, "how many cases the report must have")
	takeover := flags.Bool("context-takeover", false, "demand that contexts were kept")
	flags.Parse(os.Args[2:])
	if *expect < 1 || flags.NArg() > 0 {
		usage()
	}
	if err := judge(os.Stdout, os.DirFS(os.Args[1]), *expect, *takeover); err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: verdict DIR --expect N [--context-takeover]")
	os.Exit(2)
}

// outcome is the suite's result of one case.
type outcome struct {
	Behavior      string `json:"behavior"`
	BehaviorClose string `json:"behaviorClose"`
	ReportFile    string `json:"reportfile"`
}

func (o outcome) passed() bool { return good(o.Behavior) && good(o.BehaviorClose) }

func good(behavior string) bool { return behavior == "OK" || behavior == "INFORMATIONAL" }

// judge reads a report's index.json (agent, then case, then outcome), writes its findings, and
// returns an error unless it is a pass.
func judge(w io.Writer, report fs.FS, expect int, takeover bool) error {
	var agents map[string]map[string]outcome
	if err := readJSON(report, "index.json", &agents); err != nil {
		return err
	}
	if len(agents) == 0 {
		return fmt.Errorf("the report is empty")
	}
	faults := 0
	for _, agent := range slices.Sorted(maps.Keys(agents)) {
		cases := agents[agent]
		count := map[string]int{}
		for _, name := range slices.SortedFunc(maps.Keys(cases), byNumbers) {
			o := cases[name]
			count[o.Behavior]++
			if !o.passed() {
				fmt.Fprintf(w, "%s %s: %s, close %s\n", agent, name, o.Behavior, o.BehaviorClose)
				faults++
			}
		}
		fmt.Fprintf(w, "%s: %d cases", agent, len(cases))
		for _, behavior := range slices.Sorted(maps.Keys(count)) {
			fmt.Fprintf(w, ", %d %s", count[behavior], behavior)
		}
		fmt.Fprintln(w)
		if len(cases) != expect {
			fmt.Fprintf(w, "%s: %d cases were expected\n", agent, expect)
			faults++
		}
		if takeover {
			kept, of, err := contextsKept(report, cases)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "%s: kept its context in %d of %d cases of compression\n", agent, kept, of)
			if of > 0 && kept == 0 {
				faults++
			}
		}
	}
	if faults > 0 {
		return fmt.Errorf("%d faults", faults)
	}
	return nil
}

func readJSON(report fs.FS, name string, v any) error {
	data, err := fs.ReadFile(report, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

// contextsKept counts the compression cases, and those of them in which maru kept its context.
func contextsKept(report fs.FS, cases map[string]outcome) (kept, of int, err error) {
	for name, o := range cases {
		if !strings.HasPrefix(name, "12.") && !strings.HasPrefix(name, "13.") {
			continue
		}
		keeps, err := keepsContext(report, o.ReportFile)
		if err != nil {
			return 0, 0, err
		}
		of++
		if keeps {
			kept++
		}
	}
	return kept, of, nil
}

// keepsContext reads from the report of a case whether the negotiated extension let maru keep
// its context (RFC 7692 §7.1.1). maru was the client if the suite was the server.
func keepsContext(report fs.FS, name string) (bool, error) {
	var r struct {
		Answer        string `json:"httpResponse"`
		SuiteIsServer bool   `json:"isServer"`
	}
	if err := readJSON(report, name, &r); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(strings.NewReader(r.Answer)), nil)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", name, err)
	}
	agreed := answer.Header.Get("Sec-WebSocket-Extensions")
	denied := "server_no_context_takeover"
	if r.SuiteIsServer {
		denied = "client_no_context_takeover"
	}
	return strings.HasPrefix(agreed, "permessage-deflate") && !strings.Contains(agreed, denied), nil
}

// byNumbers sorts 9.2.10 after 9.2.9.
func byNumbers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
}
