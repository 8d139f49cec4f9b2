// Verdict says whether a report of the Autobahn suite is a pass:
//
//	go run ./tests/autobahn/verdict DIR --expect 247
//
// The suite itself ends with 0 whatever it has found. A pass is a report on
// exactly that many cases, each of them OK or INFORMATIONAL, its close too;
// NON-STRICT (a fault that was seen late) and UNIMPLEMENTED (an extension that
// was declined) are none. Everything else is printed, and the exit code is 1.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
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
	flags.Parse(os.Args[2:])
	if *expect < 1 || flags.NArg() > 0 {
		usage()
	}
	index, err := os.ReadFile(filepath.Join(os.Args[1], "index.json"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(1)
	}
	if err := judge(os.Stdout, index, *expect); err != nil {
		fmt.Fprintln(os.Stderr, "verdict:", err)
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: verdict DIR --expect N")
	os.Exit(2)
}

// outcome is what the suite says of one case.
type outcome struct {
	Behavior      string `json:"behavior"`
	BehaviorClose string `json:"behaviorClose"`
}

func (o outcome) passed() bool { return good(o.Behavior) && good(o.BehaviorClose) }

func good(behavior string) bool { return behavior == "OK" || behavior == "INFORMATIONAL" }

// judge reads index.json (agent, then case, then outcome), writes what it finds,
// and answers with an error unless it is a pass.
func judge(w io.Writer, index []byte, expect int) error {
	var agents map[string]map[string]outcome
	if err := json.Unmarshal(index, &agents); err != nil {
		return fmt.Errorf("read index.json: %w", err)
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
	}
	if faults > 0 {
		return fmt.Errorf("%d faults", faults)
	}
	return nil
}

// byNumbers puts 9.2.10 after 9.2.9.
func byNumbers(a, b string) int {
	return slices.CompareFunc(strings.Split(a, "."), strings.Split(b, "."), func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
}
