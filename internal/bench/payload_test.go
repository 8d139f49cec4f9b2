package bench_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"maru.example/maru/internal/bench"
)

func TestPayloadComesBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(32, 500).Draw(t, "size")
		source, number := rapid.Int64Range(0, 1<<24-1).Draw(t, "source"), rapid.Int64Range(0, 1<<48-1).Draw(t, "number")
		codec := bench.NewCodec(bench.Options{Size: size})
		message := codec.Wrap(source, number)
		if len(message) != size {
			t.Fatalf("%d bytes, want %d", len(message), size)
		}
		s, n, rest, err := codec.Read(message)
		if s != source || n != number || len(rest) != 0 || err != nil {
			t.Fatalf("%d of %d came as %d of %d, %q, %v", number, source, n, s, rest, err)
		}

		// No byte may be another.
		at := rapid.IntRange(0, size-1).Draw(t, "at")
		message[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if s, n, _, err := codec.Read(message); err == nil && s == source && n == number {
			t.Fatalf("%q passes, changed at %d", message, at)
		}
	})
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	whole, within := bench.NewCodec(bench.Options{Size: 40}), bench.NewCodec(bench.Options{Size: 40, Contains: true})
	other := bench.NewCodec(bench.Options{Size: 40})
	for name, tt := range map[string]struct {
		codec   bench.Codec
		message []byte
		want    error
	}{
		"empty":                  {whole, nil, bench.ErrForeign},
		"another's":              {whole, []byte("welcome"), bench.ErrForeign},
		"another run's":          {whole, other.Wrap(0, 0), bench.ErrForeign},
		"cut short":              {whole, whole.Wrap(0, 0)[:39], bench.ErrDamaged},
		"too long":               {whole, append(whole.Wrap(0, 0), 'x'), bench.ErrDamaged},
		"wrapped":                {whole, append([]byte("x"), whole.Wrap(0, 0)...), bench.ErrForeign},
		"within: nothing":        {within, []byte(`{"result":{}}`), bench.ErrNone},
		"within: empty":          {within, nil, bench.ErrNone},
		"within: another's":      {within, other.Wrap(0, 0), bench.ErrNone},
		"within: cut short":      {within, within.Wrap(0, 0)[:39], bench.ErrDamaged},
		"within: another letter": {within, bytes.Replace(within.Wrap(0, 0), []byte("abc"), []byte("abd"), 1), bench.ErrDamaged},
	} {
		if _, _, _, err := tt.codec.Read(tt.message); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
}

func TestWrappedPayloads(t *testing.T) {
	t.Parallel()
	codec := bench.NewCodec(bench.Options{Size: 64, Contains: true, Message: `{"id":{n},"from":{i},"data":"{payload}"}`})
	message := codec.Wrap(3, 7)
	var v struct {
		ID, From int64
		Data     string
	}
	if err := json.Unmarshal(message, &v); err != nil || v.ID != 7 || v.From != 3 || len(v.Data) != 64 {
		t.Errorf("%s: %v", message, err)
	}
	joined := append(append(message, '\n'), codec.Wrap(3, 8)...)
	for want := int64(7); want < 9; want++ {
		source, number, rest, err := codec.Read(joined)
		if source != 3 || number != want || err != nil {
			t.Errorf("%d of %d, %v; want %d", number, source, err, want)
		}
		joined = rest
	}
	if _, _, _, err := codec.Read(joined); !errors.Is(err, bench.ErrNone) {
		t.Errorf("after the last: %v", err)
	}
}
