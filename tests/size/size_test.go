// Package size checks the size of programs on maru, and the packages that they link. A
// program that stores nothing on disk links no store.
package size

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"

	// The imports of the programs, so that go test runs this again after a change of them,
	// instead of repeating a cached result.
	_ "maru.example/maru/server"
	_ "maru.example/maru/ws"
)

func TestPrograms(t *testing.T) {
	program.InOwnStep(t)
	var (
		store   = []string{"github.com/nats-io/", "github.com/gofrs/flock"}
		metrics = []string{"github.com/prometheus/", "google.golang.org/protobuf"}
		acme    = []string{"github.com/caddyserver/", "github.com/mholt/", "go.uber.org/zap", "github.com/miekg/"}
		signIn  = []string{"github.com/golang-jwt/", "github.com/MicahParks/", "github.com/alexedwards/"}
	)
	for name, c := range map[string]struct {
		program string
		max     int64 // bytes, without symbols
		without []string
	}{
		"ws":               {"maru.example/maru/examples/echo", 8e6, slices.Concat(store, metrics, acme, signIn)},
		"server in memory": {"./testdata/inmemory", 17e6, slices.Concat(store, acme)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			binary := filepath.Join(t.TempDir(), "program")
			build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, c.program)
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			file, err := os.Stat(binary)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %.1f MB", c.program, float64(file.Size())/1e6)
			if file.Size() >= c.max {
				t.Errorf("%s has %d bytes; it must have less than %d (go tool nm -size -sort size says what is large)", c.program, file.Size(), c.max)
			}
			info, err := buildinfo.ReadFile(binary)
			if err != nil || len(info.Deps) == 0 {
				t.Fatalf("modules of %s: %v, %v", c.program, info, err)
			}
			for _, module := range info.Deps {
				if slices.ContainsFunc(c.without, func(prefix string) bool { return strings.HasPrefix(module.Path, prefix) }) {
					t.Errorf("%s links %s", c.program, module.Path)
				}
			}
		})
	}
}
