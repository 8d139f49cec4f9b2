// Command vet checks packages for another system as `GOOS=… go vet` does, with their
// tests: types, and everything that go vet looks for.
//
//	go run . -C ../.. -os windows ./...
//
// It reads the sources of all packages that they need. go vet has those compiled, the
// standard library too, which takes ten times as long.
package main

import (
	"flag"
	"fmt"
	"os"

	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/analysis/suite/vet"
	"golang.org/x/tools/go/packages"
)

func main() {
	dir := flag.String("C", ".", "the directory of the module")
	system := flag.String("os", "", "the system, as in GOOS")
	flag.Parse()
	found, err := check(*dir, *system, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "vet:", err)
	}
	if err != nil || found {
		os.Exit(1)
	}
}

// check prints what is wrong in the packages, and reports whether anything is.
func check(dir, system string, patterns []string) (found bool, err error) {
	pkgs, err := packages.Load(&packages.Config{
		Mode:  packages.LoadAllSyntax,
		Tests: true,
		Dir:   dir,
		Env:   append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"),
	}, patterns...)
	if err != nil {
		return false, err
	}
	if packages.PrintErrors(pkgs) > 0 {
		return true, nil
	}
	graph, err := checker.Analyze(vet.Suite, pkgs, nil)
	if err != nil {
		return false, err
	}
	for _, action := range graph.Roots {
		if action.Err != nil {
			return false, fmt.Errorf("%v: %w", action, action.Err)
		}
		found = found || len(action.Diagnostics) > 0
	}
	return found, graph.PrintText(os.Stderr, -1)
}
