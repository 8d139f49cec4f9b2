package frame_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"maru.example/maru/internal/frame"
)

// code is the close code that err carries, 0 for none.
func code(err error) int {
	var e *frame.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return 0
}

func TestHeader(t *testing.T) {
	t.Parallel()
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	for name, test := range map[string]struct {
		header frame.Header
		wire   string
	}{
		// The examples of RFC 6455 §5.7.
		"unmasked text":         {frame.Header{Fin: true, Op: frame.Text, Length: 5}, "\x81\x05"},
		"masked text":           {frame.Header{Fin: true, Op: frame.Text, Masked: true, Mask: key, Length: 5}, "\x81\x85\x37\xfa\x21\x3d"},
		"first fragment":        {frame.Header{Op: frame.Text, Length: 3}, "\x01\x03"},
		"last fragment":         {frame.Header{Fin: true, Op: frame.Continuation, Length: 2}, "\x80\x02"},
		"ping":                  {frame.Header{Fin: true, Op: frame.Ping, Length: 5}, "\x89\x05"},
		"masked pong":           {frame.Header{Fin: true, Op: frame.Pong, Masked: true, Mask: key, Length: 5}, "\x8a\x85\x37\xfa\x21\x3d"},
		"256 bytes":             {frame.Header{Fin: true, Op: frame.Binary, Length: 256}, "\x82\x7e\x01\x00"},
		"64 KiB":                {frame.Header{Fin: true, Op: frame.Binary, Length: 65536}, "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"},
		"compressed":            {frame.Header{Fin: true, Compressed: true, Op: frame.Text, Length: 7}, "\xc1\x07"},
		"empty close":           {frame.Header{Fin: true, Op: frame.Close}, "\x88\x00"},
		"longest of 1 byte":     {frame.Header{Fin: true, Op: frame.Close, Length: 125}, "\x88\x7d"},
		"shortest of 2 bytes":   {frame.Header{Fin: true, Op: frame.Text, Length: 126}, "\x81\x7e\x00\x7e"},
		"longest of 2 bytes":    {frame.Header{Fin: true, Op: frame.Text, Length: 65535}, "\x81\x7e\xff\xff"},
		"longest of all":        {frame.Header{Fin: true, Op: frame.Text, Length: math.MaxInt64}, "\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"},
		"longest masked header": {frame.Header{Op: frame.Binary, Masked: true, Mask: key, Length: 65536}, "\x02\xff\x00\x00\x00\x00\x00\x01\x00\x00\x37\xfa\x21\x3d"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wire := frame.AppendHeader([]byte("before"), test.header)
			if got := string(wire[len("before"):]); got != test.wire {
				t.Errorf("AppendHeader = %x, want %x", got, test.wire)
			}
			for end := range test.wire { // every part of it needs more
				if h, n, err := frame.ParseHeader([]byte(test.wire[:end])); n != 0 || err != nil || h != (frame.Header{}) {
					t.Errorf("ParseHeader of %d bytes = %+v, %d, %v", end, h, n, err)
				}
			}
			h, n, err := frame.ParseHeader([]byte(test.wire + "after"))
			if h != test.header || n != len(test.wire) || err != nil {
				t.Errorf("ParseHeader = %+v, %d, %v", h, n, err)
			}
		})
	}
}

// The last byte of each wire below shows the violation, and not before.
func TestHeaderViolations(t *testing.T) {
	t.Parallel()
	for name, wire := range map[string]string{
		"RSV2":                   "\xa1",
		"RSV3":                   "\x91",
		"opcode 3":               "\x83",
		"opcode 7":               "\x87",
		"opcode 11":              "\x8b",
		"opcode 15":              "\x8f",
		"fragmented ping":        "\x09",
		"fragmented close":       "\x08",
		"ping of 126 bytes":      "\x89\x7e",
		"close of 64 KiB":        "\x88\xff",
		"125 in 2 bytes":         "\x81\x7e\x00\x7d",
		"0 in 2 bytes":           "\x82\xfe\x00\x00",
		"65535 in 8 bytes":       "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff",
		"0 in 8 bytes, masked":   "\x82\xff\x00\x00\x00\x00\x00\x00\x00\x00",
		"top bit of the length":  "\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00",
		"all bits of the length": "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for end := range wire {
				if _, n, err := frame.ParseHeader([]byte(wire[:end])); n != 0 || err != nil {
					t.Errorf("ParseHeader of %d bytes = %d, %v", end, n, err)
				}
			}
			for _, after := range []string{"", "\x01\x02\x03\x04\x05"} {
				if _, n, err := frame.ParseHeader([]byte(wire + after)); n != 0 || code(err) != 1002 {
					t.Errorf("ParseHeader = %d, %v, want code 1002", n, err)
				}
			}
		})
	}
}

func TestOpcode(t *testing.T) {
	t.Parallel()
	for op, want := range map[frame.Opcode]struct {
		name    string
		control bool
	}{
		frame.Continuation: {"continuation", false},
		frame.Text:         {"text", false},
		frame.Binary:       {"binary", false},
		frame.Close:        {"close", true},
		frame.Ping:         {"ping", true},
		frame.Pong:         {"pong", true},
		5:                  {"opcode 5", false},
	} {
		if op.String() != want.name || op.Control() != want.control {
			t.Errorf("opcode %d: %q, control %v", op, op, op.Control())
		}
	}
}

func TestAppendFrame(t *testing.T) {
	t.Parallel()
	// RFC 6455 §5.7 and RFC 7692 §7.2.3.1.
	if got := frame.AppendFrame([]byte("x"), frame.Text, false, []byte("Hello")); string(got) != "x\x81\x05Hello" {
		t.Errorf("AppendFrame = %x", got)
	}
	if got := frame.AppendFrame(nil, frame.Text, true, []byte("\xf2\x48\xcd\xc9\xc9\x07\x00")); string(got) != "\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00" {
		t.Errorf("AppendFrame, compressed = %x", got)
	}
	payload := []byte("Hello")
	got := frame.AppendMasked([]byte("x"), frame.Text, false, [4]byte{0x37, 0xfa, 0x21, 0x3d}, payload)
	if string(got) != "x\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58" {
		t.Errorf("AppendMasked = %x", got)
	}
	if string(payload) != "Hello" {
		t.Errorf("AppendMasked changed its payload to %x", payload)
	}
}

func TestAppendFrameAllocations(t *testing.T) {
	payload, dst := make([]byte, 128), make([]byte, 0, 256)
	if n := testing.AllocsPerRun(100, func() { frame.AppendFrame(dst, frame.Text, false, payload) }); n != 0 {
		t.Errorf("AppendFrame allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { frame.AppendMasked(dst, frame.Text, false, [4]byte{1, 2, 3, 4}, payload) }); n != 0 {
		t.Errorf("AppendMasked allocates %v times", n)
	}
}

// FuzzHeader: a header that parses has one form, a part of it is no header, and
// a violation stays one whatever follows.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"\x81\x05", "\x81\x85\x37\xfa\x21\x3d", "\x82\x7e\x01\x00", "\xc2\x7f\x00\x00\x00\x00\x00\x01\x00\x00",
		"\x02\xff\x00\x00\x00\x00\x00\x01\x00\x00\x37\xfa\x21\x3d", "\x88\x7d", "\x89\x7e", "\x09", "\xb1", "\x82\x7f\x80",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		h, n, err := frame.ParseHeader(p)
		for end := range p {
			_, m, partErr := frame.ParseHeader(p[:end])
			if partErr != nil && (err == nil || err.Error() != partErr.Error()) {
				t.Fatalf("%x: %v, its first %d bytes: %v", p, err, end, partErr)
			}
			if m != 0 && m != n {
				t.Fatalf("%x: header of %d bytes, in its first %d bytes one of %d", p, n, end, m)
			}
		}
		if err != nil {
			if n != 0 || code(err) != 1002 {
				t.Fatalf("%x: %d, %v", p, n, err)
			}
			return
		}
		if n == 0 {
			if len(p) >= frame.MaxHeaderBytes {
				t.Fatalf("%x: needs more bytes", p)
			}
			return
		}
		if wire := frame.AppendHeader(nil, h); !bytes.Equal(wire, p[:n]) {
			t.Fatalf("%x became %x", p[:n], wire)
		}
	})
}
