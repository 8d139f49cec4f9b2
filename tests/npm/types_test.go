package npm_test

import (
	"path/filepath"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

func absolute(t testing.TB, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	must(t, err)
	return path
}

// The types need no library but that of the language, and fit those of the DOM and of Node.js.
func TestTypes(t *testing.T) {
	program.InOwnStep(t)
	tsc := absolute(t, "node_modules/typescript/bin/tsc")
	for name, args := range map[string][]string{
		"without DOM": {"--lib", "es2022", "--typeRoots", "none", "program.ts"},
		"DOM":         {"--lib", "es2022,dom", "--typeRoots", "none", "dom.ts"},
		"Node.js":     {"--lib", "es2022", "--types", "node", "node.ts"},
		"bundler":     {"--lib", "es2022,dom", "--typeRoots", "none", "--module", "esnext", "--moduleResolution", "bundler", "dom.ts"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Without skipLibCheck, so that our declarations are checked too.
			common := []string{tsc, "--noEmit", "--strict", "--skipLibCheck", "false", "--target", "es2022", "--module", "nodenext"}
			_, err := run(project, "node", append(common, args...)...)
			must(t, err)
		})
	}
}
