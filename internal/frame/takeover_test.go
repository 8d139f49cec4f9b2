package frame_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"maru.example/maru/internal/frame"
)

// somethings are messages that repeat each other, and some that do not: short, long,
// longer than every window, empty, noise.
func somethings() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 3000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	messages := [][]byte{nil, []byte("a"), noise, noise, quotes(70 << 10), noise[:200], quotes(40 << 10)}
	for i := range 300 {
		messages = append(messages, fmt.Appendf(nil, `{"symbol":"MARU","price":%d,"volume":%d}`, random.IntN(1000), i))
	}
	return append(messages, noise, quotes(5000), noise[1000:])
}

// Whatever the window, what one side has said the other understands, from messages
// that refer to those before them, and so does the standard library's flate, to
// which they are one stream.
func TestTakeoverRoundTrip(t *testing.T) {
	t.Parallel()
	for bits := 8; bits <= 15; bits++ {
		t.Run(fmt.Sprint(bits), func(t *testing.T) {
			t.Parallel()
			d, reader := frame.NewDeflater(bits), frame.Reader{}
			inflater := frame.NewInflater(bits)
			rules := frame.Rules{Client: true, Deflate: true}
			var stream, want bytes.Buffer
			for i, message := range somethings() {
				if i == 100 {
					d.Forget() // is our side's alone: the peer need not know
				}
				sent, err := d.Deflate([]byte("before"), message)
				if err != nil {
					t.Fatal(err)
				}
				sent = sent[len("before"):]
				stream.Write(sent)
				stream.WriteString("\x00\x00\xff\xff")
				want.Write(message)
				reader.Inflater = inflater
				b := frame.AppendFrame(nil, frame.Binary, true, sent)
				ev, n, err := reader.Next(b, &rules)
				if err != nil || n != len(b) || ev.Op != frame.Binary || !bytes.Equal(ev.Payload, message) {
					t.Fatalf("message %d came as %v, %d bytes: %v", i, ev.Op, len(ev.Payload), err)
				}
				if i%7 == 0 {
					reader.Reset()
				}
			}
			all := stream.Bytes()[:stream.Len()-4]
			got, reach, err := puffMessage(all, want.Len()+1)
			if err != nil || !bytes.Equal(got, want.Bytes()) || reach > 1<<bits {
				t.Errorf("as one stream: %d bytes of %d, references of %d bytes, %v", len(got), want.Len(), reach, err)
			}
			got, err = io.ReadAll(flate.NewReader(io.MultiReader(&stream, bytes.NewReader([]byte{1, 0, 0, 0xff, 0xff}))))
			if err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("by compress/flate: %d bytes of %d, %v", len(got), want.Len(), err)
			}
		})
	}
}

// A message like the one before it costs next to nothing; that is what takeover is for.
func TestTakeoverShrinks(t *testing.T) {
	t.Parallel()
	d := frame.NewDeflater(12)
	message := []byte(`{"user":"Suyin","text":"who is there?","room":"hall","time":"2026-11-23T12:00:00Z"}`)
	first, _ := d.Deflate(nil, message)
	if again, _ := d.Deflate(nil, message); len(again) > 12 || len(first) < 50 {
		t.Errorf("%d bytes became %d, then %d", len(message), len(first), len(again))
	}
	d.Forget()
	if anew, _ := d.Deflate(nil, message); !bytes.Equal(anew, first) {
		t.Errorf("forgotten, it became %d bytes, at first %d", len(anew), len(first))
	}
	if _, err := frame.NewDeflater(7).Deflate(nil, message); !errors.Is(err, frame.ErrWindowBits) {
		t.Errorf("7 bits: %v", err)
	}
}

// What one connection has said no other one's messages refer to, though they share
// their deflaters. Not parallel, so that it is the same one.
func TestContextsAreApart(t *testing.T) {
	message := quotes(1000)
	alone, err := frame.Deflate(nil, message, 12)
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		said := frame.NewDeflater(12)
		said.Deflate(nil, message)
		said.Deflate(nil, message)
		if after, _ := frame.Deflate(nil, message, 12); !bytes.Equal(after, alone) {
			t.Fatal("a message without takeover depends on another connection's")
		}
		if after, _ := frame.NewDeflater(12).Deflate(nil, message); !bytes.Equal(after, alone) {
			t.Fatal("the first message of a connection depends on another connection's")
		}
	}
}

// A reference farther back than anything was said, or than the window keeps, is a
// fault of the peer's; so is a message that is too big.
func TestInflaterFaults(t *testing.T) {
	t.Parallel()
	d := frame.NewDeflater(15)
	first, _ := d.Deflate(nil, quotes(2000))
	filler, _ := d.Deflate(nil, bytes.Repeat([]byte("0123456789abcdef"), 600))
	second, _ := d.Deflate(nil, quotes(2000)[:100])
	bomb, _ := frame.Deflate(nil, make([]byte, 20<<10), 15)
	for name, test := range map[string]struct {
		bits     int
		messages [][]byte
		code     int
	}{
		"as it was":    {15, [][]byte{first, filler, second}, 0},
		"never said":   {15, [][]byte{second}, 1007},
		"out of reach": {10, [][]byte{first, filler, second}, 1007},
		"too big":      {15, [][]byte{first, bomb}, 1009},
		"cut":          {15, [][]byte{first, second[:len(second)-2]}, 1007},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := frame.Reader{Inflater: frame.NewInflater(test.bits)}
			rules := frame.Rules{Client: true, Deflate: true, MaxMessageBytes: 10 << 10}
			var err error
			for _, m := range test.messages {
				if _, _, err = r.Next(frame.AppendFrame(nil, frame.Text, true, m), &rules); err != nil {
					break
				}
			}
			var fault *frame.Error
			if errors.As(err, &fault); (err != nil || test.code != 0) && (fault == nil || fault.Code != test.code) {
				t.Errorf("error %v, want code %d", err, test.code)
			}
		})
	}
}

// What contexts cost: to prime a deflater for each message, by window.
func BenchmarkTakeover(b *testing.B) {
	messages := somethings()[7:300]
	for bits := 9; bits <= 15; bits++ {
		b.Run(fmt.Sprint(bits), func(b *testing.B) {
			d, dst, in, out, i := frame.NewDeflater(bits), []byte(nil), 0, 0, 0
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = d.Deflate(dst[:0], messages[i%len(messages)])
				in, out, i = in+len(messages[i%len(messages)]), out+len(dst), i+1
			}
			b.ReportMetric(float64(out)/float64(in), "of-bytes")
		})
	}
}
