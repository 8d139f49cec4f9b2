package socketio

import (
	"testing"
	"unsafe"
)

// There are a great many connections: nobody adds a field to an idle one without noticing.
func TestSize(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(Conn{}); size > 352 {
		t.Errorf("a Conn takes %d bytes, want at most 352, a size class of the allocator", size)
	}
	if size := unsafe.Sizeof(room{}); size > 64 {
		t.Errorf("a room takes %d bytes, want at most 64", size)
	}
}
