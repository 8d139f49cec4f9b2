package js_test

import (
	"bytes"
	"compress/gzip"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/js"
)

// maxBytes is the limit for all modules together, with those of the worker, as a server
// serves them and compressed as one stream. A minified bundle of a page has about 7,300.
const maxBytes = 10 << 10

func TestSize(t *testing.T) {
	t.Parallel()
	var all bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(js.Files())) {
		module := js.Files()[name]
		t.Logf("%s: %d bytes, %d compressed alone", name, len(module), compressed(module))
		all.Write(module)
	}
	n := compressed(all.Bytes())
	if t.Logf("%d bytes, %d compressed", all.Len(), n); n > maxBytes {
		t.Errorf("%d bytes compressed, the limit is %d", n, maxBytes)
	}
}

func compressed(b []byte) int {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		panic(err)
	}
	w.Write(b)
	w.Close()
	return out.Len()
}

func TestOnlyCommentsAndIndentationAreLeftOut(t *testing.T) {
	t.Parallel()
	for name, module := range js.Files() {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		lines, kept := strings.Split(string(source), "\n"), strings.Split(string(module), "\n")
		if len(lines) != len(kept) {
			t.Fatalf("%s: %d lines became %d", name, len(lines), len(kept))
		}
		for i, line := range lines {
			before, _, behind := strings.Cut(line, "/*")
			if behind && strings.ContainsAny(before, "\"'`/") {
				t.Errorf("%s: this comment after code may be part of a string: %s", name, line)
			}
			comment := behind || strings.HasPrefix(strings.TrimSpace(line), "*") || strings.HasPrefix(strings.TrimSpace(line), "//")
			rest, found := strings.CutPrefix(strings.TrimLeft(line, " "), kept[i])
			afterCode := strings.HasPrefix(strings.TrimLeft(rest, " "), "// ") && !strings.ContainsAny(rest, "\"'`")
			if !comment && (!found || rest != "" && !afterCode) {
				t.Errorf("%s: %q became %q", name, line, kept[i])
			}
		}
		if bytes.Contains(module, []byte("/*")) || bytes.Contains(module, []byte("@param")) {
			t.Errorf("%s still has a comment", name)
		}
	}
}

func TestImportsLeadSomewhere(t *testing.T) {
	t.Parallel()
	modules := js.Files()
	for name, module := range modules {
		for _, m := range regexp.MustCompile(`(?m)(?:from |import |URL\()"\./(.*?)"`).FindAllStringSubmatch(string(module), -1) {
			if _, ok := modules[m[1]]; !ok {
				t.Errorf("%s imports %s", name, m[1])
			}
		}
	}
	if names, _ := filepath.Glob("*.js"); len(names) != len(modules) || len(names) < 5 {
		t.Errorf("%d modules, %d files", len(modules), len(names))
	}
}
