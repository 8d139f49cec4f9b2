package main

import (
	"os"
	"path/filepath"
	"testing"
)

// What is wrong for the other system only is found, in tests too.
func TestCheck(t *testing.T) {
	t.Parallel()
	const windows = "//go:build windows\n\n"
	for name, c := range map[string]struct {
		file, source string
		found        bool
	}{
		"nothing":                  {"a.go", windows + "package a\n", false},
		"a type":                   {"a_windows.go", "package a\n\nvar x int = \"\"\n", true},
		"a type in a test":         {"a_test.go", windows + "package a\n\nvar x int = \"\"\n", true},
		"what go vet finds":        {"a_windows.go", "package a\n\nimport \"fmt\"\n\nfunc f() { fmt.Printf(\"%d\", \"\") }\n", true},
		"what go vet finds, tests": {"a_test.go", windows + "package a_test\n\nimport (\n\t\"fmt\"\n\t\"testing\"\n)\n\nfunc TestX(*testing.T) { fmt.Printf(\"%d\", \"\") }\n", true},
		"another system's":         {"a_linux.go", "package a\n\nvar x int = \"\"\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, text := range map[string]string{"go.mod": "module example.test/a\n\ngo 1.26.0\n", "doc.go": "package a\n", c.file: c.source} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			found, err := check(dir, "windows", []string{"./..."})
			if err != nil || found != c.found {
				t.Errorf("found: %v, %v; want %v", found, err, c.found)
			}
		})
	}
}
