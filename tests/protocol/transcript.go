package protocol

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// Case is one case of a transcript.
type Case struct {
	Name  string
	Wants []string // the words in parentheses: the server must be set up for them
	Steps []Step
}

// Step is one line of a case.
type Step struct {
	Line   int
	Client string // or POST
	Do     string // open, >, >binary, <, <?, closed, close, cut; for POST the channel
	Arg    string
}

// Parse reads a transcript. Errors name the line.
func Parse(r io.Reader) ([]Case, error) {
	var cases []Case
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if name, found := strings.CutPrefix(line, "= "); found {
			cases = append(cases, head(name))
			continue
		}
		if len(cases) == 0 {
			return nil, fmt.Errorf("line %d: a step before the first case", n)
		}
		client, rest, _ := strings.Cut(line, " ")
		do, arg, _ := strings.Cut(rest, " ")
		switch do {
		case "open", ">", ">binary", "<", "<?", "closed", "close", "cut":
		default:
			if client != "POST" {
				return nil, fmt.Errorf("line %d: there is no step %q", n, do)
			}
		}
		c := &cases[len(cases)-1]
		c.Steps = append(c.Steps, Step{n, client, do, arg})
	}
	return cases, lines.Err()
}

func head(name string) Case {
	c := Case{Name: name}
	if i := strings.LastIndex(name, " ("); i >= 0 && strings.HasSuffix(name, ")") {
		c.Name, c.Wants = name[:i], strings.Fields(name[i+2:len(name)-1])
	}
	return c
}
