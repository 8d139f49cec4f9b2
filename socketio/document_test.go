package socketio_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The compiler checks the programs of docs/socketio.md: example_test.go has them.
func TestDocument(t *testing.T) {
	t.Parallel()
	lines := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^[ \t]+`).ReplaceAllString(string(b), "")
	}
	document, examples := lines("../docs/socketio.md"), lines("example_test.go")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(document, -1)
	if len(blocks) == 0 {
		t.Fatal("docs/socketio.md has no block of Go")
	}
	for _, b := range blocks {
		code := b[1]
		if _, main, is := strings.Cut(code, "func main() {\n"); is {
			code = main // the imports are those of all examples
		}
		if !strings.Contains(examples, code) {
			t.Errorf("example_test.go does not have this block of docs/socketio.md:\n%s", code)
		}
	}
}
