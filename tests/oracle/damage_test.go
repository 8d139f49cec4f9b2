package oracle

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// Issue 14, 1: whatever happens to one file of a directory, each acknowledged publication is there
// unchanged or covered by a gap, no start is refused, and a second start changes nothing.
func TestDamage(t *testing.T) {
	t.Parallel()
	var all tally
	t.Run("seeds", func(t *testing.T) {
		for i := range *damages {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				seed := *seed + uint64(i)
				defer func() {
					if t.Failed() {
						t.Logf("go test ./tests/oracle -run '^TestDamage$' -damages 1 -seed %d", seed)
					}
				}()
				all.add(damageOnce(t, seed))
			})
		}
	})
	state(t, "%s", &all)
	if !t.Failed() {
		state(t, "lost silently 0, changed 0, numbers given twice 0, starts refused 0, false gaps 0")
	}
	if *damages > 0 && all.acked == 0 {
		t.Error("nothing was tried")
	}
}

// An outcome is what one damage did.
type outcome struct {
	kind, file string
	verdict
	acked, kills int
}

// damageOnce damages one file, and starts twice.
func damageOnce(t *testing.T, seed uint64) (o outcome) {
	w := newTrial(t, seed)
	stop := func() {
		kill := w.chance.IntN(2) == 0
		if kill {
			o.kills++
		}
		w.stop(kill)
	}
	w.start()
	w.burst(1+w.chance.IntN(60), false)
	for range w.chance.IntN(3) { // so that there are tables
		stop()
		w.start()
		w.burst(1+w.chance.IntN(60), false)
	}
	older := w.copied()
	if w.chance.IntN(2) == 0 {
		o.kills++
		w.burst(2+w.chance.IntN(60), true)
	} else {
		w.burst(1+w.chance.IntN(60), false)
		stop()
	}
	var what string
	o.kind, o.file, what = w.damage(older)
	damaged := w.copied()
	well := w.verified(what)

	w.start()
	o.verdict = w.check(what, o.kind == "nothing")
	if well != o.harmless() && (well || o.kind == "nothing") {
		t.Errorf("%s: verify finds it well %t, and the start: %+v", what, well, o.verdict)
	}
	if !o.harmless() && !strings.Contains(w.server.Stderr.String(), w.dir) {
		t.Errorf("%s: the log does not say that something is missing: %+v", what, o.verdict)
	}
	w.burst(1+w.chance.IntN(60), false)
	before := w.answers()
	stop()
	w.start()
	for position, now := range w.answers() {
		if was := before[position]; !reflect.DeepEqual(was, now) {
			t.Errorf("%s: the second start changes %s from %v to %v", what, position, was, now)
		}
	}
	w.burst(1+w.chance.IntN(20), false)
	w.stop(false)
	if t.Failed() {
		os.CopyFS(filepath.Join(t.ArtifactDir(), "damaged"), os.DirFS(damaged))
	}
	o.acked = w.acked
	return o
}

// verified asks maru verify, which changes nothing, whether all is well.
func (w *trial) verified(what string) bool {
	w.Helper()
	before := w.files()
	before["lock"] = nil // it is made where it is missing
	p := program.Start(w, maruPath, "verify", w.dir)
	code := p.Wait(w)
	if code != 0 && (code != 1 || p.Stderr.String() == "") {
		w.Errorf("%s: verify: exit code %d, %s", what, code, p.Stderr)
	}
	after := w.files()
	after["lock"] = nil
	if !maps.EqualFunc(before, after, bytes.Equal) {
		w.Errorf("%s: verify has changed the directory", what)
	}
	return code == 0
}

// copied copies the directory, without the ballast.
func (w *trial) copied() string {
	to := w.TempDir()
	for name, content := range w.files() {
		path := filepath.Join(to, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			w.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			w.Fatal(err)
		}
	}
	return to
}

// files are the contents of the directory, without the ballast. A file that the server removes
// meanwhile is not among them.
func (w *trial) files() map[string][]byte {
	all := make(map[string][]byte)
	filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && entry.Name() != "ballast" {
			if content, err := os.ReadFile(path); err == nil {
				name, _ := filepath.Rel(w.dir, path)
				all[name] = content
			}
		}
		return nil
	})
	return all
}
