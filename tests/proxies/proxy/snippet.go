package proxy

import (
	"os"
	"strings"
	"testing"
)

// page is where the snippets are, from the directory of a test in tests/.
const page = "../../docs/proxies.md"

// Snippets returns the blocks of code below a heading of the page, in order.
func Snippets(t testing.TB, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	must(t, err)
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", page, heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for i, part := range strings.Split("\n"+section, "\n```") {
		if _, block, ok := strings.Cut(part, "\n"); ok && i%2 == 1 {
			blocks = append(blocks, block+"\n")
		}
	}
	return blocks
}

// fill replaces parts of a snippet, given as pairs of old and new. Each must be there.
func fill(t testing.TB, snippet string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(snippet, pairs[i]) {
			t.Fatalf("the snippet of %s does not have %q:\n%s", page, pairs[i], snippet)
		}
	}
	return strings.NewReplacer(pairs...).Replace(snippet)
}
