//go:build !linux

package loop

// ring is not there on this system.
type ring struct{ n int }

func newRing() *ring                     { return nil }
func (*ring) full() bool                 { return false }
func (*ring) prepare(uint8, int, []byte) {}
func (*ring) submit() []int32            { return nil }
func (*ring) close()                     {}
func asResult(n int32) (int, error)      { return int(n), nil }

const opSend = 0

// ahead is nothing where there is no ring.
type ahead struct{ some bool }

func newAhead() ahead { return ahead{} }
