package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// beforeName is maru as another checkout has it: --before DIR. Measured in the same rounds
// as maru, it says what a change costs.
const beforeName = "before"

// before is the contender of a checkout, which is spoken to as maru is.
func before(dir string, maru contender) contender {
	c := maru
	c.name, c.about, c.checkout = beforeName, "maru of another checkout, as `maru`", dir
	c.command = func(p programs, s scenario, listen string) []string {
		return maruCommand(programs(p.file(beforeName)), s, listen)
	}
	c.version = func(programs) string {
		return output("git", "-C", dir, "rev-parse", "--short=12", "HEAD")
	}
	return c
}

// compare prints maru beside before: the medians, and the ratio of each round's pair, with the
// middle half of those ratios. It prints nothing if before was not measured.
func (r *record) compare(out io.Writer, all []scenario) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, s := range all {
		if len(r.of(s.name, beforeName)) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s\tbefore\tnow\tratio\tmiddle half\tpairs\n", s.title)
		for _, f := range s.figures {
			was, is := r.spread(s.name, beforeName, f), r.spread(s.name, maruName, f)
			ratio := r.ratio(entry{s.name, maruName}, entry{s.name, beforeName}, f)
			fmt.Fprintf(w, "  %s\t%.*f\t%.*f\t%.3f\t%.3f to %.3f\t%d\n", f.title, f.decimals, was.median, f.decimals, is.median, ratio.median, ratio.low, ratio.upper, ratio.n)
		}
	}
	w.Flush()
}

// module is the directory in which a contender's programs are built, and where they go.
func (c contender) module(p programs) (dir, out string) {
	if c.checkout == "" {
		return "", ""
	}
	return filepath.Clean(c.checkout), strings.TrimSuffix(p.file(c.name), "/") + "/"
}
