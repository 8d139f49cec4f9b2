package frame_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"maru.example/maru/internal/frame"
)

// naiveMask is RFC 6455 §5.3 to the letter.
func naiveMask(p []byte, key [4]byte, pos int) int {
	for i := range p {
		p[i] ^= key[(pos+i)%4]
	}
	return (pos + len(p)) % 4
}

func TestMask(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	buffer := make([]byte, 8+300)
	for i := range buffer {
		buffer[i] = byte(random.Uint32())
	}
	key := [4]byte{0x01, 0x23, 0x45, 0x67}
	for length := range 300 {
		for align := range 8 {
			for pos := range 4 {
				got, want := bytes.Clone(buffer), bytes.Clone(buffer)
				gotPos := frame.Mask(got[align:align+length], key, pos)
				wantPos := naiveMask(want[align:align+length], key, pos)
				if gotPos != wantPos || !bytes.Equal(got, want) {
					t.Fatalf("length %d, alignment %d, position %d: next %d, want %d", length, align, pos, gotPos, wantPos)
				}
			}
		}
	}
}

func BenchmarkMask(b *testing.B) {
	for _, size := range []int{16, 128, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p, key := make([]byte, size), [4]byte{1, 2, 3, 4}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				frame.Mask(p, key, 0)
			}
		})
	}
}
