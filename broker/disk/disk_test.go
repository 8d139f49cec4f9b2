package disk_test

import (
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/broker/disk"
)

// A directory belongs to one broker, which reports how it is. A second one is not opened:
// the error names the directory.
func TestDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b, err := disk.Dir(dir)(maru.BrokerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if _, err := maru.Publish(t.Context(), b, "a", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if r, ok := b.(maru.HeldReporter); !ok || r.Held().Publications != 1 {
		t.Errorf("%T reports %+v, want one publication", b, r)
	}
	if r, ok := b.(maru.HealthReporter); !ok || r.Err() != nil {
		t.Errorf("%T reports %v, want no failure", b, r)
	}
	if second, err := disk.Dir(dir)(maru.BrokerOptions{}); second != nil || err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a directory that is in use: %v, %v", second, err)
	}
}
