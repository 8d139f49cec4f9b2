package dirlock_test

import (
	"os"
	"testing"

	"maru.example/maru/internal/dirlock"
)

// A directory has one lock at a time, also one in which no file can be made.
func TestTake(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]os.FileMode{"writable": 0o700, "not writable": 0o500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
			lock, err := dirlock.Take(dir)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := dirlock.Take(dir); err == nil {
				t.Error("a second lock was given")
			}
			if err := lock.Unlock(); err != nil {
				t.Fatal(err)
			}
			again, err := dirlock.Take(dir)
			if err != nil {
				t.Fatalf("after Unlock: %v", err)
			}
			again.Unlock()
		})
	}
	if _, err := dirlock.Take(t.TempDir() + "/none"); err == nil {
		t.Error("a directory that does not exist was locked")
	}
}
