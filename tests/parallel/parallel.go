// Package parallel lets parallel tests that mostly wait, for a time limit or for another
// process, run beside each other also where there are few processors. The Go tool runs as
// many at a time as there are processors.
package parallel

import (
	"flag"
	"runtime"
	"strconv"
)

// AtLeast makes n parallel tests run at a time, if the command line does not say how many.
// TestMain calls it first.
func AtLeast(n int) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(max(n, runtime.GOMAXPROCS(0))))
	}
}
