package gateway

import (
	"testing"
	"unsafe"
)

// There are a great many connections. What an idle one costs here beside its place in the
// registry is held, so that nobody adds a field without noticing.
func TestSizes(t *testing.T) {
	t.Parallel()
	for name, size := range map[string][2]uintptr{
		"Connection":   {unsafe.Sizeof(Connection{}), 64},
		"Subscriber":   {unsafe.Sizeof(Subscriber{}), 80},
		"subscription": {unsafe.Sizeof(subscription{}), 80},
	} {
		if size[0] > size[1] {
			t.Errorf("a %s takes %d bytes, want at most %d", name, size[0], size[1])
		}
	}
}
