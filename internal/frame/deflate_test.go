package frame_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
)

func TestInflate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ payload, want string }{
		// The examples of RFC 7692 §7.2.3.
		"fixed codes":       {"\xf2\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		"stored block":      {"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"},
		"final block":       {"\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "Hello"},
		"two blocks":        {"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00", "Hello"},
		"empty":             {"\x00", ""},
		"empty, fixed":      {"\x02\x00", ""},
		"final, no padding": {"\xf3\x48\xcd\xc9\xc9\x07\x00", "Hello"},
		"two data sets":     {"\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "HelloHello"},
		"set after set":     {"\xf3\x48\xcd\xc9\xc9\x07\x00\xf2\x48\xcd\xc9\xc9\x07\x00", "HelloHello"},
		"nothing at all":    {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := frame.Inflate([]byte("before "), []byte(test.payload), 0)
			if string(got) != "before "+test.want || err != nil {
				t.Errorf("Inflate = %q, %v", got, err)
			}
		})
	}
}

func TestInflateCorrupt(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"reserved block type":     "\x07",
		"stored, wrong length":    "\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00",
		"stored, cut":             "\x00\x06\x00\xf9\xff\x48",
		"fixed, cut":              "\xf2\x48\xcd",
		"reference before start":  "\x02\x03\x02\x00",
		"dynamic, cut":            "\x04",
		"garbage after final":     "\xf3\x48\xcd\xc9\xc9\x07\x00\xff\xff",
		"reference into last set": "\xf3\x48\xcd\xc9\xc9\x07\x00\x02\x13\x00\x00",
		"tail left in place":      "\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := frame.Inflate([]byte("before"), []byte(payload), 0)
			if string(got) != "before" || code(err) != 1007 {
				t.Errorf("Inflate = %q, %v, want code 1007", got, err)
			}
		})
	}
}

func TestInflateLimit(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	bomb, err := frame.Deflate(nil, make([]byte, size), 15)
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []int64{1, 1000, size - 1, size, size + 1, 0, -1} {
		got, err := frame.Inflate([]byte("before"), bomb, limit)
		if limit > 0 && limit < size {
			if len(got) != len("before") || code(err) != 1009 {
				t.Errorf("limit %d: %d bytes, %v, want code 1009", limit, len(got), err)
			}
		} else if err != nil || len(got) != len("before")+size {
			t.Errorf("limit %d: %d bytes, %v", limit, len(got), err)
		}
		if limit > 0 && int64(cap(got)) > limit+1+int64(len("before")) {
			t.Errorf("limit %d: %d bytes of room", limit, cap(got))
		}
	}
}

// samples are payloads of different nature: little, repeating near and far,
// not compressing, longer than what a deflater takes at once.
func samples() map[string][]byte {
	random := rand.New(rand.NewPCG(5, 6))
	noise := make([]byte, 100<<10)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	all := map[string][]byte{
		"one byte": []byte("x"), "hello": []byte("Hello"), "korean": []byte(strings.Repeat("안녕하세요, 여러분. ", 20)),
		"noise": noise, "zeros": make([]byte, 300<<10), "quotes": quotes(150 << 10),
	}
	// A word that comes again at distances on both sides of each window.
	for bits := 8; bits <= 15; bits++ {
		for _, d := range []int{-1, 0, 1} {
			period := noise[:1<<bits+d]
			all[fmt.Sprintf("period %d", len(period))] = bytes.Repeat(period, 3)
		}
	}
	return all
}

// quotes is JSON such as a server of quotes sends, n bytes of it.
func quotes(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `{"offset":%d,"kind":"json","data":{"symbol":"S%d","price":%d.%02d,"size":%d},"time":"2026-01-02T15:04:05.%03dZ"}`,
			812+i*7, i*i%17, 100+i*31%77, i*37%100, i*123%1000, i*77%1000)
	}
	return b.Bytes()[:n]
}

// Deflate comes back through Inflate and through the oracle, whatever the
// window, and never refers beyond it.
func TestDeflate(t *testing.T) {
	t.Parallel()
	for name, payload := range samples() {
		for bits := 8; bits <= 15; bits++ {
			t.Run(fmt.Sprintf("%s, %d bits", name, bits), func(t *testing.T) {
				t.Parallel()
				checkDeflate(t, payload, bits)
			})
		}
	}
}

func checkDeflate(t *testing.T, payload []byte, bits int) {
	t.Helper()
	before := bytes.Clone(payload)
	compressed, err := frame.Deflate([]byte("before"), payload, bits)
	if err != nil || !bytes.HasPrefix(compressed, []byte("before")) || !bytes.Equal(payload, before) {
		t.Fatalf("Deflate: %v", err)
	}
	compressed = compressed[len("before"):]
	if bytes.HasSuffix(compressed, []byte("\x00\x00\xff\xff")) && len(payload) < 1000 {
		t.Errorf("the tail is not removed: %x", compressed)
	}
	got, err := frame.Inflate(nil, compressed, int64(len(payload)))
	if err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("Inflate after Deflate: %d bytes of %d, %v", len(got), len(payload), err)
	}
	got, distance, err := puffMessage(compressed, len(payload))
	if err != nil || !bytes.Equal(got, payload) {
		t.Fatalf("oracle after Deflate: %d bytes of %d, %v", len(got), len(payload), err)
	}
	if distance > 1<<bits {
		t.Fatalf("refers %d bytes back with a window of %d", distance, 1<<bits)
	}
}

// RFC 7692 §7.2.3.6, and no window but 8 to 15 bits.
func TestDeflateEdges(t *testing.T) {
	t.Parallel()
	if got, err := frame.Deflate([]byte("x"), nil, 15); string(got) != "x\x00" || err != nil {
		t.Errorf("Deflate of nothing = %x, %v", got, err)
	}
	for _, bits := range []int{-1, 0, 7, 16, 64} {
		if got, err := frame.Deflate([]byte("x"), []byte("payload"), bits); string(got) != "x" || !errors.Is(err, frame.ErrWindowBits) {
			t.Errorf("Deflate with %d bits = %x, %v", bits, got, err)
		}
	}
}

// Deflaters come from a pool: one message must not show in the next.
func TestDeflateAlone(t *testing.T) {
	t.Parallel()
	for _, payload := range [][]byte{quotes(300), quotes(5000), []byte("Hello"), quotes(100 << 10)} {
		first, _ := frame.Deflate(nil, payload, 15)
		for range 3 {
			if _, err := frame.Deflate(nil, quotes(70<<10), 15); err != nil {
				t.Fatal(err)
			}
			if again, _ := frame.Deflate(nil, payload, 15); !bytes.Equal(first, again) {
				t.Errorf("%d bytes became %d, then %d", len(payload), len(first), len(again))
			}
		}
	}
}

// Another's deflater, flushing often.
func TestInflateForeign(t *testing.T) {
	t.Parallel()
	all := samples()
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression} {
		t.Run(fmt.Sprint("level ", level), func(t *testing.T) {
			t.Parallel()
			w, err := flate.NewWriter(nil, level)
			if err != nil {
				t.Fatal(err)
			}
			for name, payload := range all {
				var b bytes.Buffer
				w.Reset(&b)
				for rest := payload; len(rest) > 0; {
					n := min(len(rest), 1+len(payload)/3)
					w.Write(rest[:n])
					w.Flush()
					rest = rest[n:]
				}
				got, err := frame.Inflate(nil, b.Bytes()[:b.Len()-4], 0)
				if err != nil || !bytes.Equal(got, payload) {
					t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(payload), err)
				}
			}
		})
	}
}

// FuzzInflate takes its data both ways. As a message: Deflate and back is the
// identity. As a compressed payload: Inflate knows what the oracle knows, and
// its memory is bounded.
func FuzzInflate(f *testing.F) {
	for _, seed := range []string{
		"", "Hello", "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x00", "\x02\x00",
		"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
	} {
		f.Add([]byte(seed), uint8(7), uint16(100))
	}
	for i, n := range []int{100, 1000, 10000} {
		compressed, _ := frame.Deflate(nil, quotes(n), 15)
		f.Add(compressed, uint8(i), uint16(n))
		bomb, _ := frame.Deflate(nil, make([]byte, 100*n), 15)
		f.Add(bomb, uint8(i), uint16(n))
	}
	f.Fuzz(func(t *testing.T, data []byte, bits uint8, limit uint16) {
		checkDeflate(t, data, 8+int(bits%8))

		bound := int(limit) + 1
		got, err := frame.Inflate(nil, data, int64(bound))
		if cap(got) > bound+1 {
			t.Fatalf("limit %d: %d bytes of room", bound, cap(got))
		}
		if err != nil && code(err) != 1007 && code(err) != 1009 {
			t.Fatalf("%x: %v", data, err)
		}
		want, _, wantErr := puffMessage(data, 2*bound)
		switch {
		case wantErr != nil:
		case len(want) > bound:
			if code(err) != 1009 {
				t.Fatalf("%x: %d bytes, limit %d: %v", data, len(want), bound, err)
			}
		case err != nil || !bytes.Equal(got, want):
			t.Fatalf("%x: %x, %v, want %x", data, got, err, want)
		}
	})
}

func BenchmarkDeflate(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload, dst := quotes(size), make([]byte, 0, 2*size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				dst, _ = frame.Deflate(dst[:0], payload, 15)
			}
			b.ReportMetric(float64(size)/float64(len(dst)), "ratio")
		})
	}
}

func BenchmarkInflate(b *testing.B) {
	for _, size := range []int{128, 1 << 10, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			compressed, _ := frame.Deflate(nil, quotes(size), 15)
			dst := make([]byte, 0, size+1)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				dst, _ = frame.Inflate(dst[:0], compressed, int64(size))
			}
		})
	}
}

// Parts that are compressed each for itself are one compressed message together.
func TestDeflatePart(t *testing.T) {
	t.Parallel()
	for _, parts := range [][]string{{"a", ""}, {"", "", "b"}, {strings.Repeat("all is well ", 100), "and all is well", "x"}} {
		for bits := 8; bits <= 15; bits++ {
			var payload []byte
			var err error
			for i, part := range parts {
				deflate := frame.DeflatePart
				if i == len(parts)-1 {
					deflate = frame.Deflate
				}
				if payload, err = deflate(payload, []byte(part), bits); err != nil {
					t.Fatal(err)
				}
			}
			got, err := frame.Inflate(nil, payload, 0)
			if want := strings.Join(parts, ""); err != nil || string(got) != want {
				t.Errorf("%d bits: %q, %v; want %q", bits, got, err, want)
			}
		}
	}
}
