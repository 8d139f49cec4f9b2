package module

import (
	"archive/zip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/module"
	modzip "golang.org/x/mod/zip"
)

const root = "../.."

// Packages are compiled as scripts/check compiles them, so that they are in the cache.
var environment = append(os.Environ(),
	"CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false", "GOWORK=off",
	"GOSUMDB=off", // go.sum of maru has the sums, and a new module has none
)

// run runs a program in a directory, with more in its environment.
func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(slices.Clip(environment), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// path is the path of the module in a directory.
func path(t *testing.T, dir string) string {
	t.Helper()
	return strings.TrimSpace(run(t, dir, nil, "go", "list", "-m"))
}

// checkout copies the files under version control, as they are now, into a new repository
// and returns its directory.
func checkout(t *testing.T) string {
	t.Helper()
	copied := t.TempDir()
	for name := range strings.SplitSeq(run(t, root, nil, "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if name == "" || os.IsNotExist(err) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !info.Mode().IsRegular() {
			t.Fatalf("%s is no regular file, and a module has only such", name)
		}
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(copied, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	git(t, copied, "init", "--quiet")
	git(t, copied, "add", "--all", "--force")
	git(t, copied, "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false", "commit", "--quiet", "--message", "all")
	return copied
}

func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	return run(t, dir, []string{"GIT_CONFIG_GLOBAL=/dev/null"}, "git", args...)
}

// scripts/rename-module.sh gives the module another path, under which it builds, and back.
func TestRename(t *testing.T) {
	t.Parallel()
	dir := checkout(t)
	old, renamed := path(t, dir), "example.org/"+"someone/maru" // in two parts: this file is renamed too

	run(t, dir, nil, "scripts/rename-module.sh", renamed)
	if got := path(t, dir); got != renamed {
		t.Errorf("it is called %s, want %s", got, renamed)
	}
	left := exec.Command("git", "grep", "-nIE", `(^|[^A-Za-z0-9._~/-])`+regexp.QuoteMeta(old)+`($|[^A-Za-z0-9._~-])`)
	left.Dir = dir
	if out, _ := left.CombinedOutput(); len(out) > 0 { // grep fails where it finds nothing
		t.Errorf("the old path is left in\n%s", out)
	}
	run(t, dir, nil, "go", "vet", ".", "./server", "./client", "./ws")
	run(t, dir, nil, "go", "test", ".")

	run(t, dir, nil, "scripts/rename-module.sh", old)
	if changes := git(t, dir, "status", "--porcelain"); changes != "" {
		t.Errorf("after it was renamed and renamed back these files differ:\n%s", changes)
	}
}

// A name that Go cannot fetch is refused, and nothing changes.
func TestRenameRefuses(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"no dot in the first element": "maru",
		"a URL":                       "https://example.org/maru",
		"after net/http":              "zoo.example/maru",
		"a slash at the end":          "example.org/maru/",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := run(t, root, nil, "go", "list", "-m")
			cmd := exec.Command("scripts/rename-module.sh", path)
			cmd.Dir, cmd.Env = root, environment
			if out, err := cmd.CombinedOutput(); err == nil {
				t.Errorf("it was renamed: %s", out)
			}
			if after := run(t, root, nil, "go", "list", "-m"); after != before {
				t.Errorf("it is called %s", after)
			}
		})
	}
}

// A module outside the repository uses packages of a checkout, as README says.
func TestReplace(t *testing.T) {
	t.Parallel()
	s := readme(t)
	commands := strings.ReplaceAll(s.commands, placeholder, checkout(t))
	if out := run(t, hello(t, s), nil, "sh", "-euc", commands); !strings.HasSuffix(out, "\n"+s.prints) {
		t.Errorf("it printed\n%s\nwant %q at the end", out, s.prints)
	}
}

// A module fetches this one from a proxy (https://go.dev/ref/mod#goproxy-protocol), for
// which its zip file has to be valid.
func TestProxy(t *testing.T) {
	t.Parallel()
	dir, proxy := checkout(t), t.TempDir()
	m := module.Version{Path: path(t, dir), Version: "v0.1.0"}
	serve(t, proxy, dir, m)

	s := readme(t)
	program := hello(t, s)
	// The modules of maru were downloaded before, and are not downloaded again.
	downloaded := filepath.Join(strings.TrimSpace(run(t, root, nil, "go", "env", "GOMODCACHE")), "cache", "download")
	others := strings.TrimSpace(run(t, root, nil, "go", "env", "GOPROXY"))
	env := []string{
		"GOMODCACHE=" + t.TempDir(),
		"GOPROXY=file://" + proxy + ",file://" + downloaded + "," + others,
		"GOFLAGS=-trimpath -buildvcs=false -mod=mod -modcacherw",
	}
	run(t, program, env, "go", "mod", "init", "example.com/hello")
	run(t, program, env, "go", "get", m.String())
	if out := run(t, program, env, "go", "run", "."); !strings.HasSuffix(out, s.prints) {
		t.Errorf("it printed\n%s\nwant %q at the end", out, s.prints)
	}
	if got := strings.TrimSpace(run(t, program, env, "go", "list", "-m", m.Path)); got != m.Path+" "+m.Version {
		t.Errorf("it was built with %s", got)
	}
}

// serve lays a version of the module out as a proxy serves it.
func serve(t *testing.T, proxy, dir string, m module.Version) {
	t.Helper()
	escaped, err := module.EscapePath(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	files := filepath.Join(proxy, escaped, "@v")
	if err := os.MkdirAll(files, 0o777); err != nil {
		t.Fatal(err)
	}
	info, err := json.Marshal(map[string]any{"Version": m.Version, "Time": time.Unix(1700000000, 0).UTC()})
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"list": []byte(m.Version + "\n"), m.Version + ".info": info, m.Version + ".mod": mod} {
		if err := os.WriteFile(filepath.Join(files, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := os.Create(filepath.Join(files, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	if err := modzip.CreateFromVCS(packed, m, dir, "HEAD", ""); err != nil {
		t.Fatalf("the module's zip file is not valid: %v", err)
	}
	holds(t, packed.Name(), m)
}

// mostBytes is for the module's zip file, which everybody downloads who uses the module.
const mostBytes = 8 << 20

func holds(t *testing.T, packed string, m module.Version) {
	t.Helper()
	r, err := zip.OpenReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	names := make(map[string]bool)
	for _, f := range r.File {
		name := strings.TrimPrefix(f.Name, m.String()+"/")
		names[name] = true
		if strings.Contains(name, "node_modules/") {
			t.Errorf("the zip file has %s", name)
		}
	}
	for _, name := range []string{"go.mod", "LICENSE", "ws/server.go", "server/server.go", "client/client.go", "js/maru.js"} {
		if !names[name] {
			t.Errorf("the zip file has no %s", name)
		}
	}
	if names["bench/go.mod"] {
		t.Error("the zip file has a module inside the module, which Go refuses")
	}
	info, err := os.Stat(packed)
	if err != nil {
		t.Fatal(err)
	}
	if t.Logf("the zip file has %d files and %d bytes", len(names), info.Size()); info.Size() > mostBytes {
		t.Errorf("the zip file has %d bytes, at most %d", info.Size(), mostBytes)
	}
}

// A snippet is the part of README that says how to import maru.
type snippet struct{ program, commands, prints string }

var (
	part   = regexp.MustCompile(`(?s)<!-- test: import -->\n(.*?)<!-- end -->`)
	fenced = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	prints = regexp.MustCompile("prints `(.*?)`")
)

func readme(t *testing.T) (s snippet) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := part.FindSubmatch(text)
	if found == nil {
		t.Fatal("README.md has no part between <!-- test: import --> and <!-- end -->")
	}
	for _, block := range fenced.FindAllSubmatch(found[1], -1) {
		switch string(block[1]) {
		case "go":
			s.program += string(block[2])
		case "sh":
			s.commands += string(block[2])
		}
	}
	if said := prints.FindSubmatch(found[1]); said != nil {
		s.prints = string(said[1]) + "\n"
	}
	if s.program == "" || s.prints == "" || !strings.Contains(s.commands, placeholder) {
		t.Fatalf("README.md: the part on importing needs a go block, a sh block with %s, and what it prints; it has %q", placeholder, s)
	}
	return s
}

// placeholder is where README's reader puts the directory of the checkout.
const placeholder = "/path/to/maru"

// hello makes a directory for README's program.
func hello(t *testing.T, s snippet) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(s.program), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}
