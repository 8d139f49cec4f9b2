package fields_test

import (
	"encoding/binary"
	"testing"

	"maru.example/maru/internal/fields"
)

// What was written is read, and wherever it is cut the reader says so.
func TestReader(t *testing.T) {
	t.Parallel()
	b := binary.AppendUvarint([]byte{7}, 300)
	b = binary.AppendVarint(b, -5)
	b = fields.AppendString(b, "kim")
	b = binary.BigEndian.AppendUint64(b, 1<<40)
	type values struct {
		first byte
		u     uint64
		v     int64
		name  string
		n     uint64
	}
	read := func(b []byte) (values, fields.Reader) {
		r := fields.Reader{Rest: b}
		return values{r.Byte(), r.Uvarint(), r.Varint(), r.String(), r.Uint64()}, r
	}
	got, r := read(b)
	if want := (values{7, 300, -5, "kim", 1 << 40}); got != want || r.Failed || len(r.Rest) > 0 {
		t.Errorf("%+v, want %+v; %+v", got, want, r)
	}
	for n := range b {
		if got, r := read(b[:n]); !r.Failed || r.Rest != nil || got.n != 0 {
			t.Errorf("cut to %d of %d: %+v, %+v", n, len(b), got, r)
		}
	}
}

// A length that is larger than what follows, or negative as an int, is not believed.
func TestLength(t *testing.T) {
	t.Parallel()
	for _, n := range []uint64{4, 1 << 40, 1<<63 + 1, 1<<64 - 1} {
		r := fields.Reader{Rest: append(binary.AppendUvarint(nil, n), "kim"...)}
		if s := r.String(); s != "" || !r.Failed {
			t.Errorf("%d: %q, %+v", n, s, r)
		}
	}
	r := fields.Reader{Rest: []byte("kim")}
	if b := r.Bytes(-1); b != nil || !r.Failed {
		t.Errorf("-1: %q, %+v", b, r)
	}
}
