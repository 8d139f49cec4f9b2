package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := os.Chdir(root()); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	chosen, err := choose(steps, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	began := time.Now()
	ok := run(os.Stdout, chosen, min(2, runtime.NumCPU()), &all)
	all.write(os.Stdout)
	fmt.Printf("\n%s in %d s\n", strings.Join(names(chosen), ", "), int(time.Since(began).Seconds()))
	fmt.Println(all.line())
	if !ok {
		os.Exit(1)
	}
}

// root is the directory of the module.
func root() string {
	mod, err := output(".", nil, "go", "env", "GOMOD")
	if err != nil {
		return "."
	}
	return strings.TrimSuffix(strings.TrimSpace(mod), "go.mod")
}

// choose returns the steps that are named, in the order of all, or all if none is named.
func choose(all []*step, wanted []string) ([]*step, error) {
	if len(wanted) == 0 {
		return all, nil
	}
	for _, name := range wanted {
		if !slices.Contains(names(all), name) {
			return nil, fmt.Errorf("there is no step %q; the steps are: %s", name, strings.Join(names(all), " "))
		}
	}
	var chosen []*step
	for _, s := range all {
		if slices.Contains(wanted, s.name) {
			chosen = append(chosen, s)
		}
	}
	return chosen, nil
}

func names(steps []*step) []string {
	var names []string
	for _, s := range steps {
		names = append(names, s.name)
	}
	return names
}
