package maru_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// layers are the packages of the module, from the lowest up (docs/style.md describes them). A
// package imports packages of lower layers only, so packages of one layer do not import each
// other. A new package needs a place here; moving one needs a design record.
var layers = [][]string{
	{"maru", "maru/internal/strict"},
	{"maru/internal/frame", "maru/internal/request", "maru/internal/xconnect", "maru/internal/response", "maru/internal/proxyproto", "maru/internal/history", "maru/internal/fields", "maru/internal/pieces", "maru/internal/shares", "maru/internal/dirlock", "maru/internal/listen", "maru/internal/certs", "maru/internal/acme", "maru/internal/logs", "maru/internal/histogram", "maru/internal/engineio", "maru/internal/packet", "maru/js"},
	{"maru/internal/loop", "maru/internal/handshake", "maru/internal/auth", "maru/internal/machine", "maru/internal/calls", "maru/internal/settings"},
	{"maru/internal/front"},
	{"maru/ws", "maru/internal/hub", "maru/internal/session", "maru/internal/admission", "maru/internal/broker/*", "maru/internal/bench"},
	{"maru/internal/gateway", "maru/internal/presence", "maru/broker/*"},
	{"maru/internal/gateway/*", "maru/internal/api", "maru/internal/web", "maru/internal/demo", "maru/internal/metrics"},
	{"maru/internal/config", "maru/server", "maru/client"},
	{"maru/socketio"},
	{"maru/cmd/maru"},
}

// apart are packages that no other package imports: examples, which see what users see, and
// packages for tests, which may import everything.
var (
	examples = []string{"maru/examples/*"}
	forTests = []string{"maru/tests/*", "maru/tests/*/*", "maru/scripts/*", "maru/broker/brokertest", "maru/internal/broker/disktest"}
)

// only lists all packages of this module that a package may import.
var only = map[string][]string{
	"maru/ws":                 {"maru/internal/frame", "maru/internal/front", "maru/internal/handshake", "maru/internal/loop"}, // knows no channels
	"maru/internal/loop":      {"maru", "maru/internal/frame", "maru/internal/histogram"},                                      // of the root only the errors
	"maru/broker/*":           {"maru", "maru/internal/history", "maru/internal/broker/*"},
	"maru/internal/broker/*":  {"maru", "maru/internal/history", "maru/internal/fields", "maru/internal/dirlock", "maru/internal/machine", "maru/internal/shares"},
	"maru/internal/hub":       {"maru", "maru/internal/histogram", "maru/internal/loop"}, // no wire format: gateways register theirs
	"maru/internal/session":   {"maru", "maru/internal/auth"},
	"maru/internal/presence":  {"maru", "maru/internal/fields", "maru/internal/hub"}, // of other nodes; knows no gateway
	"maru/internal/admission": {"maru", "maru/internal/auth", "maru/internal/fields", "maru/internal/loop", "maru/internal/shares"},
	"maru/internal/calls":     {"maru", "maru/internal/fields", "maru/internal/shares"}, // between nodes
	"maru/internal/gateway/*": {"maru", "maru/internal/admission", "maru/internal/auth", "maru/internal/calls", "maru/internal/engineio", "maru/internal/fields", "maru/internal/frame", "maru/internal/gateway",
		"maru/internal/hub", "maru/internal/loop", "maru/internal/machine", "maru/internal/packet", "maru/internal/pieces", "maru/internal/request", "maru/internal/response", "maru/internal/session", "maru/internal/shares", "maru/internal/strict"}, // no other gateway
	"maru/internal/history":    {"maru"},
	"maru/internal/fields":     {},
	"maru/internal/request":    {"maru", "maru/internal/strict"},
	"maru/internal/pieces":     {"maru"},
	"maru/internal/settings":   {"maru/internal/fields"},
	"maru/internal/shares":     {},
	"maru/internal/proxyproto": {},
	"maru/internal/logs":       {},
	"maru/internal/histogram":  {},
	"maru/internal/listen":     {},
	"maru/internal/certs":      {},
	"maru/internal/acme":       {},
	"maru/internal/engineio":   {},
	"maru/internal/packet":     {"maru/internal/strict"},
	"maru/internal/machine":    {},
	"maru/internal/demo":       {},
	"maru/internal/metrics":    {"maru/internal/histogram"},
	"maru/internal/config":     {"maru"},
	"maru/socketio":            {"maru", "maru/server", "maru/internal/calls", "maru/internal/fields", "maru/internal/gateway", "maru/internal/gateway/socketio", "maru/internal/hub", "maru/internal/logs", "maru/internal/loop", "maru/internal/packet", "maru/internal/shares", "maru/internal/strict"},
	"maru/client":              {"maru", "maru/ws"}, // like a program outside
	"maru/examples/*":          {"maru", "maru/ws", "maru/server", "maru/socketio", "maru/client"},
}

// importers lists all packages that may import a package.
var importers = map[string][]string{
	"maru/internal/config":    {"maru/cmd/maru"},
	"maru/broker/memory":      {"maru/server"},
	"maru/broker/disk":        {"maru/cmd/maru"}, // a program that stores nothing links no store
	"maru/broker/cluster":     {"maru/cmd/maru"}, // nor one of a single machine a client of NATS
	"maru/broker/embedded":    {"maru/cmd/maru"}, // nor one with NATS elsewhere its server
	"maru/internal/broker/*":  {"maru/broker/*"},
	"maru/internal/presence":  {"maru/server"},
	"maru/internal/acme":      {"maru/cmd/maru"}, // a program with certificates of its own links no client of authorities
	"maru/internal/gateway/*": {"maru/server", "maru/socketio"},
}

// never lists imports that packages must not have: no sockets and no files in those that work on
// bytes and values, and no wire format in a session.
var (
	outside = []string{"net", "net/http", "os", "os/*", "syscall", "golang.org/x/sys/*"}
	never   = map[string][]string{
		"maru":                     outside,
		"maru/internal/frame":      outside,
		"maru/internal/strict":     outside,
		"maru/internal/request":    outside,
		"maru/internal/history":    outside,
		"maru/internal/fields":     outside,
		"maru/internal/pieces":     outside,
		"maru/internal/settings":   outside,
		"maru/internal/shares":     outside,
		"maru/internal/proxyproto": outside,
		"maru/internal/engineio":   outside,
		"maru/internal/packet":     outside,
		"maru/internal/session":    append([]string{"encoding/*"}, outside...),
		"maru/internal/presence":   outside,
		"maru/internal/calls":      outside,
		"maru/internal/hub":        append([]string{"encoding/*"}, outside...),
	}
)

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	for pkg, imports := range packages(t) {
		if among(pkg, forTests) {
			continue
		}
		level := layerOf(pkg)
		if level < 0 && !among(pkg, examples) {
			t.Errorf("%s has no layer: add it to layers in deps_test.go", pkg)
			continue
		}
		for _, imported := range imports {
			if !ours(imported) {
				continue
			}
			if below := layerOf(imported); level >= 0 && (below < 0 || below >= level) {
				t.Errorf("%s imports %s, which is not in a lower layer", pkg, imported)
			}
			if allowed, narrow := lookup(only, pkg); narrow && !among(imported, allowed) {
				t.Errorf("%s imports %s; it may import %v", pkg, imported, allowed)
			}
			if allowed, narrow := lookup(importers, imported); narrow && !among(pkg, allowed) {
				t.Errorf("%s imports %s, which only %v may import", pkg, imported, allowed)
			}
		}
	}
}

func TestPurePackages(t *testing.T) {
	t.Parallel()
	all := packages(t)
	for pkg, forbidden := range never {
		if all[pkg] == nil {
			t.Errorf("there is no package %s", pkg)
		}
		for _, imported := range all[pkg] {
			if among(imported, forbidden) {
				t.Errorf("%s imports %s", pkg, imported)
			}
		}
	}
}

// Each third-party library is imported by one package, so that it can be replaced there.
func TestDependenciesHaveOneHome(t *testing.T) {
	t.Parallel()
	homes := make(map[string][]string)
	for pkg, imports := range packages(t) {
		if among(pkg, forTests) {
			continue
		}
		for _, imported := range imports {
			if first, _, _ := strings.Cut(imported, "/"); strings.Contains(first, ".") {
				homes[imported] = append(homes[imported], pkg)
			}
		}
	}
	if len(homes) == 0 {
		t.Error("no dependency was found: the test cannot see the imports")
	}
	for library, pkgs := range homes {
		if len(pkgs) > 1 {
			slices.Sort(pkgs)
			t.Errorf("%s is imported by %v", library, pkgs)
		}
	}
}

// packages returns the imports of every package of this module on any system, without those
// of its tests. The module is called maru here; its real path may differ.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	module := modulePath(t)
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			return enter(file, entry.Name())
		case !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Join("maru", filepath.ToSlash(filepath.Dir(file)))
		imports := append([]string{}, all[pkg]...)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if rest, ours := strings.CutPrefix(imported, module); ours && (rest == "" || rest[0] == '/') {
				imported = "maru" + rest
			}
			imports = append(imports, imported)
		}
		slices.Sort(imports)
		all[pkg] = slices.Compact(imports)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// modulePath returns the module path in go.mod.
func modulePath(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(string(mod), "\n")
	return strings.TrimPrefix(line, "module ")
}

// enter reports whether a directory may hold packages of this module.
func enter(dir, name string) error {
	if dir == "." {
		return nil
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	if err == nil || name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return filepath.SkipDir
	}
	return nil
}

func ours(imported string) bool { return imported == "maru" || strings.HasPrefix(imported, "maru/") }

// layerOf returns the layer of a package, or -1 for one that is apart or unknown.
func layerOf(pkg string) int {
	if among(pkg, forTests) || among(pkg, examples) {
		return -1
	}
	return slices.IndexFunc(layers, func(layer []string) bool { return among(pkg, layer) })
}

// among reports whether a package matches one of the patterns; * stands for one name.
func among(pkg string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		matched, err := path.Match(pattern, pkg)
		return err != nil || matched
	})
}

func lookup(rules map[string][]string, pkg string) ([]string, bool) {
	for pattern, allowed := range rules {
		if among(pkg, []string{pattern}) {
			return allowed, true
		}
	}
	return nil, false
}
