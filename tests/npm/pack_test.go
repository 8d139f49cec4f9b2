package npm_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// The packed file has the client and nothing else: no tests, no Go, no tools.
func TestPackedFiles(t *testing.T) {
	program.InOwnStep(t)
	modules, err := filepath.Glob("../../js/*.js")
	must(t, err)
	want := []string{"LICENSE", "README.md", "package.json", "types.d.ts"}
	for _, module := range modules {
		want = append(want, filepath.Base(module))
	}
	slices.Sort(want)
	slices.Sort(packed)
	if !slices.Equal(packed, want) {
		t.Errorf("packed %q, want %q", packed, want)
	}
	for _, name := range want { // the installed files are those here
		source, err := os.ReadFile(filepath.Join("../../js", name))
		must(t, err)
		installed, err := os.ReadFile(filepath.Join(project, "node_modules/maru-client", name))
		must(t, err)
		if !bytes.Equal(source, installed) {
			t.Errorf("%s was installed with other content", name)
		}
	}
}

func TestPackageHasNoDependencies(t *testing.T) {
	program.InOwnStep(t)
	text, err := os.ReadFile("../../js/package.json")
	must(t, err)
	var manifest map[string]any
	must(t, json.Unmarshal(text, &manifest))
	for _, key := range slices.Sorted(maps.Keys(manifest)) {
		switch key {
		case "dependencies", "peerDependencies", "optionalDependencies", "devDependencies", "scripts":
			t.Errorf("package.json has %s", key)
		}
	}
}

func TestLicence(t *testing.T) {
	program.InOwnStep(t)
	ours, err := os.ReadFile("../../LICENSE")
	must(t, err)
	inPackage, err := os.ReadFile("../../js/LICENSE")
	must(t, err)
	if !bytes.Equal(ours, inPackage) {
		t.Error("js/LICENSE is not the LICENSE of the repository")
	}
}

// The lock file pins versions and content; where packages come from is the installer's.
func TestLockFileNamesNoRegistry(t *testing.T) {
	program.InOwnStep(t)
	lock, err := os.ReadFile("package-lock.json")
	must(t, err)
	if bytes.Contains(lock, []byte(`"resolved"`)) {
		t.Error("package-lock.json names the host of a registry")
	}
}
