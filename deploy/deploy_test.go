// Package deploy_test holds what is in this directory against the program.
package deploy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/config"
)

// scratch is a directory for all tests.
var scratch string

// build makes the program as the Dockerfile does, once.
var build = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(scratch, "maru")
	script := ""
	for _, i := range dockerfile() {
		if i.word == "RUN" && strings.Contains(i.rest, "go build") {
			script = strings.ReplaceAll(i.rest, "-o /maru", "-o "+path)
		}
	}
	cmd := exec.Command("sh", "-ec", script)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if scratch, err = os.MkdirTemp("", "maru"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(scratch)
		return m.Run()
	}())
}

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

type instruction struct{ word, rest string }

func dockerfile() (all []instruction) {
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			word, rest, _ := strings.Cut(line, " ")
			all = append(all, instruction{word, rest})
		}
	}
	return all
}

// The image is nothing but the program, its certificates and a user id without an account.
func TestImage(t *testing.T) {
	t.Parallel()
	var last []instruction
	built := make(map[string]bool)
	for _, i := range dockerfile() {
		if i.word == "FROM" {
			last = nil
		}
		last = append(last, i)
		for _, makes := range []string{" -o ", "mkdir "} {
			if _, path, found := strings.Cut(i.rest, makes); i.word == "RUN" && found {
				built[strings.Fields(path)[0]] = true
			}
		}
	}
	if last[0].rest != "scratch" {
		t.Errorf("it is made of %s", last[0].rest)
	}
	var entrypoint, cmd []string
	for _, i := range last {
		switch i.word {
		case "COPY":
			from, to, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(i.rest, "--from=build "), "--chown=65532:65532 "), " ")
			if from == i.rest || !built[from] && !strings.HasPrefix(from, "/etc/ssl/certs/") {
				t.Errorf("COPY %s", i.rest)
			}
			built[to] = built[from]
		case "USER":
			if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(i.rest) {
				t.Errorf("USER %s: scratch has no names, and root is not meant", i.rest)
			}
		case "ENTRYPOINT":
			decode(t, i.rest, &entrypoint)
		case "CMD":
			decode(t, i.rest, &cmd)
		}
	}
	if len(entrypoint) != 1 || !built[entrypoint[0]] {
		t.Errorf("ENTRYPOINT %q is not what was built", entrypoint)
	}
	// Without a configuration nothing is served.
	missing := filepath.Join(t.TempDir(), "maru.toml")
	for i := range cmd {
		cmd[i] = strings.Replace(cmd[i], "/etc/maru/maru.toml", missing, 1)
	}
	out, err := exec.CommandContext(t.Context(), program(t), cmd...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), missing) {
		t.Errorf("CMD %q: %v, %s", cmd, err, out)
	}
}

func decode(t *testing.T, list string, into *[]string) {
	t.Helper()
	if err := json.Unmarshal([]byte(list), into); err != nil {
		t.Errorf("%s: %v", list, err)
	}
}

// maru.toml is valid, and open to nobody from outside: as it is it can only be served
// on loopback.
func TestExample(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), program(t), "check", "maru.toml").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is valid") {
		t.Errorf("%v, %s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), program(t), "serve", "--config", "maru.toml", "--listen", ":0").CombinedOutput()
	if exit, _ := err.(*exec.ExitError); exit == nil || exit.ExitCode() != 2 || !strings.Contains(string(out), "--open") {
		t.Errorf("on all addresses: %v, %s", err, out)
	}
}

// unit is what a systemd unit says, by section and key.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	said, section := make(map[string][]string), ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || section == "" {
			t.Errorf("%q is nothing", line)
		}
		said[section+"."+key] = append(said[section+"."+key], value)
	}
	return said
}

func TestUnit(t *testing.T) {
	t.Parallel()
	said := unit(t, "maru.service")
	one := func(key string) string {
		t.Helper()
		if len(said[key]) != 1 {
			t.Fatalf("%s is %q", key, said[key])
		}
		return said[key][0]
	}
	stop, err := time.ParseDuration(one("Service.TimeoutStopSec") + "s")
	if drain := 30 * time.Second; err != nil || stop < 2*drain { // the longest drain that the documents advise
		t.Errorf("it may take %v to stop, and %v of that to drain; %v", stop, drain, err)
	}
	words := strings.Fields(one("Service.ExecStart"))
	if path := words[len(words)-1]; words[1] != "serve" || words[2] != "--config" || path != "/etc/maru/maru.toml" {
		t.Errorf("ExecStart is %q", words)
	}
	if one("Service.Type") != "notify" || !strings.Contains(one("Service.ExecReload"), "-HUP $MAINPID") || one("Service.RestartPreventExitStatus") != "2" {
		t.Error("it is started, reloaded or started again in another way than maru is")
	}
}

// The socket unit has the addresses of maru without a configuration, and passes listening sockets, not
// connections.
func TestSocketUnit(t *testing.T) {
	t.Parallel()
	said := unit(t, "maru.socket")
	if got, want := said["Socket.ListenStream"], config.Defaults().Listen; !slices.Equal(got, want) {
		t.Errorf("it listens on %q, and maru on %q", got, want)
	}
	if accept := said["Socket.Accept"]; accept != nil && accept[0] != "no" {
		t.Errorf("Accept=%s would pass connections", accept)
	}
	if named := said["Socket.FileDescriptorName"]; named != nil {
		t.Errorf("FileDescriptorName=%s: metrics would take the place of metrics-listen", named)
	}
}

// systemd understands the units.
func TestUnitVerified(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze on this machine")
	}
	dir, words := t.TempDir(), []string{"verify"}
	for _, name := range []string{"maru.service", "maru.socket"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		here := strings.ReplaceAll(string(text), "/usr/local/bin/maru serve", program(t)+" serve") // it has to be there
		words = append(words, filepath.Join(dir, name))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(here), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), analyze, words...).CombinedOutput()
	if err != nil || strings.Contains(string(out), "maru.s") {
		t.Errorf("%v\n%s", err, out)
	}
}

// The texts to copy hold what one process needs: Kubernetes starts one, and ends it before the
// next; and an image without a shell has a health check.
func TestOneProcessWithAHealthCheck(t *testing.T) {
	t.Parallel()
	for name, wants := range map[string][]string{
		"../docs/operating.md": {"maru is one process", "\nreplicas: 1 ", "\nstrategy: {type: Recreate}", "maru healthcheck"},
		"Dockerfile":           {"\nFROM scratch\n", `CMD ["/maru", "healthcheck"]`},
	} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s: no %q", name, want)
			}
		}
	}
}
