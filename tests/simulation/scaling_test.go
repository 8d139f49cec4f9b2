package simulation

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const document = "../../docs/scaling.md"

var update = flag.Bool("update", false, "write the tables of the model into docs/scaling.md")

// tables are those that docs/scaling.md has from the model, by the name of their place.
var tables = map[string]func() string{"publications": publicationsTable, "nodes": nodesTable, "channels": channelsTable}

// sizes of clusters in the tables.
var sizes = []int{3, 10, 30, 100}

// aThousand is a load of 1,000 publications a second in 20 channels that all nodes follow.
func aThousand(nodes int) Load {
	return Load{Nodes: nodes, Following: nodes, Channels: 20, Busy: 20, Name: 9, Rate: 1000, Bytes: 128, Elsewhere: 1 - 1/float64(nodes)}
}

func publicationsTable() string {
	var b strings.Builder
	b.WriteString("| nodes | messages into NATS | out of NATS | MB/s in | MB/s out |\n|---|---|---|---|---|\n")
	for _, n := range sizes {
		var sum Cost
		c := aThousand(n).PerSecond()
		for _, class := range []Class{Append, Submit, Carriage, Index} {
			sum = sum.plus(c[class])
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %.1f | %.1f |\n", n, thousands(sum.In), thousands(sum.Out), sum.BytesIn/1e6, sum.BytesOut/1e6)
	}
	return b.String()
}

func nodesTable() string {
	var b strings.Builder
	b.WriteString("| nodes | signs of life, messages | announcements, messages at most | all of it, MB/s |\n|---|---|---|---|\n")
	for _, n := range sizes {
		c := aThousand(n).PerSecond()
		life := c[Beat].plus(c[Alive]).plus(c[Note]).plus(c[Heads]).plus(c[Other])
		others := Announcements(n, 200)
		fmt.Fprintf(&b, "| %d | %s | %s | %.2f |\n", n, thousands(life.In+life.Out), thousands(others.In+others.Out), (life.BytesIn+life.BytesOut+others.BytesIn+others.BytesOut)/1e6)
	}
	return b.String()
}

func channelsTable() string {
	var b strings.Builder
	b.WriteString("| channels that a node follows | 3 nodes, MB/s | 10 nodes | 100 nodes |\n|---|---|---|---|\n")
	for _, channels := range []int{100, 1_000, 10_000, 100_000} {
		fmt.Fprintf(&b, "| %s ", thousands(float64(channels)))
		for _, n := range []int{3, 10, 100} {
			l := aThousand(n)
			l.Channels = channels
			fmt.Fprintf(&b, "| %.2f ", l.PerSecond()[Compare].BytesIn/1e6)
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// thousands writes a number with commas.
func thousands(f float64) string {
	s := fmt.Sprintf("%.0f", f)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// TestTables: the tables of the document are those of the model.
func TestTables(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	is := string(text)
	for name, table := range tables {
		begin, end := "<!-- model: "+name+" -->\n", "<!-- end -->"
		before, rest, found := strings.Cut(is, begin)
		old, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Errorf("no place for the table %q", name)
			continue
		}
		if want := table(); old != want {
			if is = before + begin + want + end + after; !*update {
				t.Errorf("the table %q is not what the model says: go test ./tests/simulation -run TestTables -update", name)
			}
		}
	}
	if *update {
		if err := os.WriteFile(document, []byte(is), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPromises: each row of the table of promises names a test, and that test exists.
func TestPromises(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- promises -->\n")
	table, _, found := strings.Cut(rest, "<!-- end -->")
	if !found {
		t.Fatal("there is no table")
	}
	link := regexp.MustCompile("\\[`(Test\\w+)`\\]\\((\\S+)\\)")
	rows := strings.Split(strings.TrimSpace(table), "\n")[2:]
	if len(rows) < 10 {
		t.Errorf("there are only %d rows", len(rows))
	}
	for _, row := range rows {
		named := link.FindAllStringSubmatch(row, -1)
		if len(named) == 0 {
			t.Errorf("no test shows this: %s", row)
		}
		for _, one := range named {
			source, err := os.ReadFile(filepath.Join("../../docs", one[2]))
			if err != nil || !strings.Contains(string(source), "\nfunc "+one[1]+"(t *testing.T)") {
				t.Errorf("there is no %s in %s", one[1], one[2])
			}
		}
	}
}
