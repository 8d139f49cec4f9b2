package oracle

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Issue 14, 5: when the directory or a file of it is removed while a server uses it, the server
// refuses publications within a second, and says why. After the next start everything that was
// acknowledged is there, or something is said to be missing.
func TestRemoved(t *testing.T) {
	t.Parallel()
	aside := func(dir string) string { return dir + "-aside" }
	for name, c := range map[string]struct {
		remove, restore func(dir string) error
	}{
		"directory": {remove: os.RemoveAll},
		"store":     {remove: func(dir string) error { return os.RemoveAll(filepath.Join(dir, "store")) }},
		"last":      {remove: func(dir string) error { return os.Remove(filepath.Join(dir, "last")) }},
		"lock":      {remove: func(dir string) error { return os.Remove(filepath.Join(dir, "lock")) }},
		"logs": {remove: func(dir string) (err error) {
			logs, _ := filepath.Glob(filepath.Join(dir, "store", "*.log"))
			for _, log := range logs {
				err = errors.Join(err, os.Remove(log))
			}
			return err
		}},
		"moved": {
			remove:  func(dir string) error { return os.Rename(dir, aside(dir)) },
			restore: func(dir string) error { return os.Rename(aside(dir), dir) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTrial(t, *seed)
			w.start()
			w.burst(20, false)
			if err := c.remove(w.dir); err != nil {
				t.Fatal(err)
			}
			w.untilRefused()
			w.answers() // histories are served
			if !strings.Contains(w.server.Stderr.String(), w.dir) {
				t.Error("the log does not say why")
			}
			w.stop(w.chance.IntN(2) == 0)
			if c.restore != nil {
				if err := c.restore(w.dir); err != nil {
					t.Fatal(err)
				}
			}
			w.start()
			w.check(name, c.restore != nil)
			w.burst(20, false)
			w.stop(false)
		})
	}
}

// untilRefused publishes until publications are refused and the server is not ready.
func (w *trial) untilRefused() {
	w.Helper()
	removed := time.Now()
	for refused, ready := false, true; !refused || ready; {
		if time.Since(removed) > promised+slack {
			w.Fatalf("after %v: publications are refused %t, ready %t", time.Since(removed), refused, ready)
		}
		w.count++
		p := posting{channel: "ledger:1", payload: fmt.Sprint(w.count)}
		g, err := post(w.Context(), w.client, w.url(p), p.payload)
		switch {
		case err != nil:
			w.Fatal(err)
		case g.status == http.StatusOK && !refused:
			w.given(p, g)
		case g.status == http.StatusServiceUnavailable && g.code == "unavailable":
			refused = true
			w.isUnsure(p) // its write may have been in progress
		default:
			w.Fatalf("POST: %d %s, refused before: %t", g.status, g.code, refused)
		}
		ready = w.ready()
	}
}

func (w *trial) ready() bool {
	w.Helper()
	answer, err := w.client.Get(w.server.URL + "/readyz")
	if err != nil {
		w.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
