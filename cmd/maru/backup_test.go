package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Issue 14, 9: a running server is backed up with an API key and into a file that does not exist,
// the backup makes a directory that is in order, and the server that uses it has the history.
// Issue 14, 1: verify finds what was damaged.
func TestBackupRestoreVerify(t *testing.T) {
	t.Parallel()
	made := strings.Fields(call(t, "", nil, "token", "--api-key").stdout)
	key, entry := "", ""
	for _, word := range made {
		if strings.HasPrefix(word, "maru_") {
			key = word
		}
		if i := strings.Index(word, "sha256:"); i >= 0 {
			entry = strings.Trim(word, `",[]`)
		}
	}
	dir := t.TempDir()
	data, file, restored := filepath.Join(dir, "data"), filepath.Join(dir, "backup"), filepath.Join(dir, "restored")
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--data", data, "--api-key", entry)
	env := []string{"MARU_SERVER=" + live.url, "MARU_TOKEN=" + key}
	if got := call(t, "", env, "publish", "hall", "kept"); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if got := call(t, "", env[:1], "backup", file); got.code != exitFailure || !strings.Contains(got.stderr, "not_allowed") {
		t.Errorf("without a key: %+v", got)
	}
	if got := call(t, "", env, "backup", file); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if got := call(t, "", env, "backup", file); got.code != exitUsage {
		t.Errorf("onto a file: %+v", got)
	}
	if got := call(t, "", nil, "verify", data); got.code != exitFailure || !strings.Contains(got.stderr, "in use") {
		t.Errorf("verify of a directory in use: %+v", got)
	}
	live.stop(t, exitOK)
	for range 2 {
		if got := call(t, "", nil, "verify", data); got.code != exitOK || !strings.Contains(got.stdout, "publications: 1") {
			t.Errorf("verify: %+v", got)
		}
	}

	if got := call(t, "", nil, "restore", file, restored); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	if got := call(t, "", nil, "restore", file, restored); got.code != exitFailure {
		t.Errorf("onto a directory that is not empty: %+v", got)
	}
	live = start(t, nil, "serve", "--listen", "127.0.0.1:0", "--data", restored)
	env = []string{"MARU_SERVER=" + live.url}
	if got := call(t, "", env, "subscribe", "hall", "--last", "1", "--count", "1"); got.stdout != "kept\n" {
		t.Errorf("%+v", got)
	}
	live.stop(t, exitOK)

	if err := os.Truncate(filepath.Join(data, "last"), 100); err != nil {
		t.Fatal(err)
	}
	if got := call(t, "", nil, "verify", data); got.code != exitFailure || !strings.Contains(got.stdout, "a new epoch begins") {
		t.Errorf("verify of a damaged directory: %+v", got)
	}
}

// A file that is made while the backup arrives is not replaced, and one that breaks off leaves
// nothing.
func TestBackupReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "backup")
	if _, err := saveBackup(path, readerFunc(func([]byte) (int, error) {
		if err := os.WriteFile(path, []byte("another's"), 0o600); err != nil {
			t.Error(err)
		}
		return 0, io.EOF
	})); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("error %v, want one that names the file", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "another's" {
		t.Errorf("the file is %q, %v", b, err)
	}
	if _, err := saveBackup(filepath.Join(dir, "broken"), readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF })); err == nil {
		t.Error("a backup that broke off is no error")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }
