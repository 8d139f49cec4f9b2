package main

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"maru.example/maru/tests/natstest"
)

// The directory of a single machine becomes the first history of a cluster: as it was, with the times of
// the publications and with a new epoch. A second one is refused.
func TestRestoreIntoNATS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "backup")
	made := strings.Fields(call(t, "", nil, "token", "--api-key").stdout)
	key, entry := "", ""
	for _, word := range made {
		word = strings.Trim(word, `["]`)
		if strings.HasPrefix(word, "maru_") {
			key = word
		}
		if strings.HasPrefix(word, "sha256:") {
			entry = word
		}
	}
	live := start(t, nil, "serve", "--open", "--listen", "127.0.0.1:0", "--data", data, "--api-key", entry)
	env := []string{"MARU_SERVER=" + live.url, "MARU_TOKEN=" + key}
	for _, text := range []string{"1", "2", "3"} {
		for _, channel := range []string{"a", "news:a"} {
			if got := call(t, "", env, "publish", channel, channel+text); got.code != exitOK {
				t.Fatal(got.stderr)
			}
		}
	}
	if got := call(t, "", env, "backup", file); got.code != exitOK {
		t.Fatal(got.stderr)
	}
	was := historyOf(t, live.url)
	live.stop(t, exitOK)
	for name, source := range map[string]string{"a directory": data, "a backup": file} {
		t.Run(name, func(t *testing.T) {
			nats := natstest.URL(t)
			if got := call(t, "", nil, "restore", source, "--nats", nats); got.code != exitOK || !strings.Contains(got.stdout, "6 publications") {
				t.Fatalf("%+v", got)
			}
			if got := call(t, "", nil, "restore", source, "--nats", nats); got.code != exitFailure || !strings.Contains(got.stderr, "already has a history") {
				t.Errorf("a second time: %+v", got)
			}
			node := start(t, nil, "serve", "--open", "--listen", "127.0.0.1:0", "--nats", nats)
			defer node.stop(t, exitOK)
			is := historyOf(t, node.url)
			if len(is.Publications) != 3 || is.Epoch == was.Epoch || is.Epoch == "" {
				t.Fatalf("%+v, was %+v", is, was)
			}
			for i, p := range is.Publications {
				if w := was.Publications[i]; p.Data != w.Data || p.Time != w.Time {
					t.Errorf("%+v, was %+v", p, w)
				}
			}
		})
	}
	for _, args := range [][]string{{}, {"x", "--nats", "nats://a:1"}, {"--nats", "nats://a:1", "--cluster", "a"}, {"--cluster", "a"}} {
		if got := call(t, "", nil, append([]string{"restore", file}, args...)...); got.code != exitUsage {
			t.Errorf("%v: %+v", args, got)
		}
	}
}

// answeredHistory is what GET /channels/news:a answers.
type answeredHistory struct {
	Epoch        string
	Publications []struct{ Data, Time string }
}

func historyOf(t *testing.T, url string) (h answeredHistory) {
	t.Helper()
	r, err := http.Get(url + "/channels/news:a")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(&h); err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r.Status, err)
	}
	return h
}
