package cluster_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/tests/e2e/program"
)

// A fleet is processes of maru that are a cluster by themselves.
type fleet struct {
	t      *testing.T
	maru   string
	secret string
	key    string // an API key
	hash   string
	at     []string // where each listens for the others
	dirs   []string
	all    []*program.Process
	urls   []string
}

var buildMaru = sync.OnceValues(func() (string, error) {
	var err error
	if fleetDir, err = os.MkdirTemp("", "maru-fleet-"); err != nil {
		return "", err
	}
	return filepath.Join(fleetDir, "maru"), program.Build("../..", fleetDir, "./cmd/maru")
})

// fleetDir has the program; empty: it was not built. TestMain removes it.
var fleetDir string

func newFleet(t *testing.T, n int) *fleet {
	t.Helper()
	maru, err := buildMaru()
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{t: t, maru: maru, secret: filepath.Join(t.TempDir(), "secret"), all: make([]*program.Process, n), urls: make([]string, n)}
	if err := os.WriteFile(f.secret, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(maru, "token", "--api-key").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(string(out)) {
		word = strings.Trim(word, `["]`)
		if strings.HasPrefix(word, "maru_") {
			f.key = word
		}
		if strings.HasPrefix(word, "sha256:") {
			f.hash = word
		}
	}
	for range n {
		f.dirs = append(f.dirs, t.TempDir())
	}
	for _, port := range freePorts(t, n) {
		f.at = append(f.at, fmt.Sprintf("127.0.0.1:%d", port))
	}
	for i := range n {
		f.begin(i)
	}
	for i := range n {
		f.await(i)
	}
	return f
}

// begin starts process i, and await waits until it serves.
func (f *fleet) begin(i int) {
	args := []string{"serve", "--open", "--listen", "127.0.0.1:0", "--api-key", f.hash, "--data", f.dirs[i],
		"--cluster", "fleet", "--cluster-listen", f.at[i], "--cluster-secret-file", f.secret}
	for j, at := range f.at {
		if j != i {
			args = append(args, "--cluster-peer", at)
		}
	}
	f.all[i] = program.Start(f.t, f.maru, args...)
}

func (f *fleet) await(i int) {
	f.t.Helper()
	words := strings.Fields(f.all[i].Stdout.Await(f.t, "://"))
	f.urls[i] = strings.TrimSuffix(words[len(words)-1], "/")
}

// command runs a command of maru against process i.
func (f *fleet) command(i int, args ...string) (out string, code int) {
	f.t.Helper()
	cmd := exec.Command(f.maru, append(args, "--server", f.urls[i])...)
	cmd.Env = append(os.Environ(), "MARU_TOKEN="+f.key)
	b, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		f.t.Fatal(err)
	}
	return string(b), cmd.ProcessState.ExitCode()
}

// publish posts until it is acknowledged: a cluster that has lost a server needs some seconds.
func (f *fleet) publish(i int, text string) {
	f.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		r, err := http.NewRequest(http.MethodPost, f.urls[i]+"/channels/x", strings.NewReader(text))
		if err != nil {
			f.t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Idempotency-Key", text)
		answer, err := http.DefaultClient.Do(r)
		if err == nil {
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
			err = fmt.Errorf("%s", answer.Status)
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("%s: %v", text, err)
		}
	}
}

// history waits until process i answers with these publications.
func (f *fleet) history(i int, want []string) {
	f.t.Helper()
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		r, err := http.Get(f.urls[i] + "/channels/x")
		if err != nil {
			continue
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		got = nil
		for part := range bytes.SplitSeq(b, []byte(`"data":"`)) {
			text, _, _ := strings.Cut(string(part), `"`)
			got = append(got, text)
		}
		if got = got[1:]; r.StatusCode == http.StatusOK && slices.Equal(got, want) {
			return
		}
	}
	f.t.Errorf("server %d has %q, want %q", i, got, want)
}

// states waits until maru cluster status shows so many servers, all current, and returns their names.
func (f *fleet) states(i, n int) (names []string) {
	f.t.Helper()
	var out string
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		var code int
		out, code = f.command(i, "cluster", "status")
		names = nil
		current := 0
		for line := range strings.Lines(out) {
			if words := strings.Fields(line); len(words) > 1 {
				names = append(names, words[0])
				if words[1] == "current" {
					current++
				}
			}
		}
		if code == 0 && len(names) == n && current == n {
			return names
		}
	}
	f.t.Fatalf("no %d servers that are current:\n%s", n, out)
	return nil
}

// restoreFirst makes the directory of a single machine the first history of the cluster.
func (f *fleet) restoreFirst() (want []string) {
	f.t.Helper()
	dir := f.t.TempDir()
	single := program.Serve(f.t, f.maru, "--open", "--data", dir)
	want = []string{"s0", "s1"}
	for _, text := range want {
		r, err := http.Post(single.URL+"/channels/x", "text/plain", strings.NewReader(text))
		if err != nil || r.StatusCode != http.StatusOK {
			f.t.Fatal(r, err)
		}
		r.Body.Close()
	}
	single.Stop(f.t)
	restore := func() (string, error) {
		out, err := exec.Command(f.maru, "restore", dir, "--cluster", "fleet", "--cluster-peer", f.at[0], "--cluster-secret-file", f.secret).CombinedOutput()
		return string(out), err
	}
	if out, err := restore(); err != nil || !strings.Contains(out, "2 publications") {
		f.t.Fatal(out, err)
	}
	for i := range f.all {
		f.history(i, want)
	}
	if out, err := restore(); err == nil || !strings.Contains(out, "already has a history") {
		f.t.Error(out, err)
	}
	return want
}

// Three processes and nothing else are a cluster. It goes on without any one of them, also after kill -9;
// a machine that is lost is replaced, and one leaves: as docs/cluster.md says.
func TestThreeProcesses(t *testing.T) {
	program.InOwnStep(t)
	f := newFleet(t, 3)
	before := f.states(0, 3)
	want := f.restoreFirst()
	publish := func(i int) {
		want = append(want, fmt.Sprint("p", len(want)))
		f.publish(i, want[len(want)-1])
	}
	publish(0)
	for i := range 3 {
		f.all[i].Kill(t)
		publish((i + 1) % 3)
		f.begin(i)
		f.await(i)
		publish(i)
	}
	for i := range 3 {
		f.history(i, want)
	}
	t.Run("replace", func(t *testing.T) {
		f.all[0].Kill(t)
		f.dirs[0] = t.TempDir()
		f.begin(0)
		f.await(0)
		names := f.withOneAway(1, 4)
		var dead string
		for _, name := range before {
			if out, _ := f.command(1, "cluster", "status"); strings.Contains(lineOf(out, name), "away") {
				dead = name
			}
		}
		if dead == "" {
			t.Fatalf("nobody of %q is away: %s", before, names)
		}
		f.remove(1, dead)
		before = f.states(1, 3)
		publish(0)
		f.history(0, want)
	})
	if out, code := f.command(1, "cluster", "remove", before[0]); code != 1 || !strings.Contains(out, "start a new node first") {
		t.Errorf("one of three is removed: %d %s", code, out)
	}
}

// One of four processes leaves: it gives its copies away, ends, and cannot return with its directory.
func TestLeave(t *testing.T) {
	program.InOwnStep(t)
	f := newFleet(t, 4)
	all := f.states(2, 4)
	f.publish(2, "p")
	out, _ := f.command(2, "cluster", "status")
	var name string
	for _, one := range all {
		if strings.Contains(lineOf(out, one), "this server") {
			name = one
		}
	}
	if out, code := f.command(1, "cluster", "remove", "nobody"); code != 1 || !strings.Contains(out, "no node of this name") {
		t.Errorf("%d %s", code, out)
	}
	f.remove(1, name)
	if code := f.all[2].Wait(t); code != 1 || !strings.Contains(f.all[2].Stderr.String(), "removed from its cluster") {
		t.Errorf("%d %s", code, f.all[2].Stderr)
	}
	f.begin(2)
	if code := f.all[2].Wait(t); code != 1 || !strings.Contains(f.all[2].Stderr.String(), "use an empty directory") {
		t.Errorf("started again: %d %s", code, f.all[2].Stderr)
	}
	f.states(0, 3)
	f.publish(1, "q")
	f.history(0, []string{"p", "q"})
}

// remove removes a server as soon as the others have read everything.
func (f *fleet) remove(i int, name string) {
	f.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(300 * time.Millisecond) {
		out, code := f.command(i, "cluster", "remove", name)
		if code == 0 {
			return
		}
		if time.Now().After(deadline) || !strings.Contains(out, "try again") {
			f.t.Fatalf("%q: %s", name, out)
		}
	}
}

// withOneAway waits until maru cluster status lists so many servers, one of which is away.
func (f *fleet) withOneAway(i, n int) (out string) {
	f.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		if out, _ = f.command(i, "cluster", "status"); strings.Count(out, "  current") == n-1 && strings.Count(out, "  away") == 1 {
			return out
		}
	}
	f.t.Fatalf("no %d servers of which one is away:\n%s", n, out)
	return ""
}

func lineOf(text, name string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+" ") {
			return line
		}
	}
	return ""
}
