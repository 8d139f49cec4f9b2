package frame_test

import (
	"testing"

	"maru.example/maru/internal/frame"
)

// The example of RFC 6455 §1.3.
func TestAcceptKey(t *testing.T) {
	t.Parallel()
	if got := frame.AcceptKey("dGhlIHNhbXBsZSBub25jZQ=="); got != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Errorf("AcceptKey = %q", got)
	}
}

func TestValidKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{
		"dGhlIHNhbXBsZSBub25jZQ==":   true,
		"AAAAAAAAAAAAAAAAAAAAAA==":   true,
		"":                           false,
		"dGhlIHNhbXBsZSBub25jZQ":     false, // no padding
		"dGhlIHNhbXBsZSBub25jZQ==\n": false,
		"dGhlIHNhbXBsZSBub25j\r\n==": false,
		" dGhlIHNhbXBsZSBub25jZQ==":  false,
		"dGhlIHNhbXBsZSBub25jZTE=":   false, // 17 bytes
		"dGhlIHNhbXBsZSBub25jZTEy":   false, // 18 bytes
		"dGhlIHNhbXBsZSBub24=":       false, // 14 bytes
		"dGhlIHNhbXBsZSBub25jZ===":   false,
		"dGhlIHNhbXBsZSBub25j_Q==":   false, // the other alphabet
	} {
		if frame.ValidKey(key) != want {
			t.Errorf("ValidKey(%q) = %v", key, !want)
		}
	}
}

func TestNewMaskKey(t *testing.T) {
	const keys = 1000
	seen := map[[4]byte]bool{}
	for range keys {
		seen[frame.NewMaskKey()] = true
	}
	if len(seen) < keys-5 { // two alike are once in 8,000 runs
		t.Errorf("%d different keys of %d", len(seen), keys)
	}
}

func BenchmarkNewMaskKey(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		frame.NewMaskKey()
	}
}
