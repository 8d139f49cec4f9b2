package frame_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
)

var key = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// wire is a frame from a client, RSV1 as given.
func wire(op frame.Opcode, fin, compressed bool, payload string) string {
	b := frame.AppendHeader(nil, frame.Header{
		Fin: fin, Compressed: compressed, Masked: true, Op: op, Mask: key, Length: int64(len(payload)),
	})
	at := len(b)
	b = append(b, payload...)
	frame.Mask(b[at:], key, 0)
	return string(b)
}

// whole is an uncompressed final frame from a client, part one that is not final.
func whole(op frame.Opcode, payload string) string { return wire(op, true, false, payload) }
func part(op frame.Opcode, payload string) string  { return wire(op, false, false, payload) }

// promise is only the header of a client's frame.
func promise(op frame.Opcode, fin, compressed bool, length int64) string {
	return string(frame.AppendHeader(nil, frame.Header{
		Fin: fin, Compressed: compressed, Masked: true, Op: op, Mask: key, Length: length,
	}))
}

func deflated(payload string) string {
	b, err := frame.Deflate(nil, []byte(payload), 15)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// read is the transcript of a reader's events over stream, which arrives in
// pieces whose lengths next gives. It checks what Next promises whatever comes.
func read(t testing.TB, r *frame.Reader, stream string, rules *frame.Rules, next func() int) []string {
	t.Helper()
	var events []string
	for len(stream) > 0 {
		size := min(max(next(), 1), len(stream))
		p := []byte(stream[:size])
		stream = stream[size:]
		for len(p) > 0 {
			rest := string(p)
			ev, n, err := r.Next(p, rules)
			if n < 0 || n > len(p) || string(p[n:]) != rest[n:] {
				t.Fatalf("took %d bytes of %x, left %x", n, rest, p)
			}
			if err != nil {
				if _, _, again := r.Next(p[n:], rules); again != err || r.Idle() {
					t.Fatalf("after %v: %v, idle %v", err, again, r.Idle())
				}
				return append(events, fmt.Sprintf("error %d", code(err)))
			}
			p = p[n:]
			switch ev.Op {
			case frame.Continuation:
				if n < len(rest) || ev.Payload != nil {
					t.Fatalf("no event, and %d bytes left", len(p))
				}
			case frame.Close:
				events = append(events, fmt.Sprintf("close %d %q", ev.Code, ev.Reason))
			default:
				if cap(ev.Payload) > len(ev.Payload) && len(p) > 0 {
					_ = append(ev.Payload, 0xAA) // must not touch p
					if string(p) != rest[n:] {
						t.Fatal("a payload has room in what follows it")
					}
				}
				events = append(events, fmt.Sprintf("%v %q", ev.Op, ev.Payload))
			}
		}
	}
	if !r.Idle() {
		events = append(events, "more")
	}
	return events
}

func allAtOnce() int { return math.MaxInt }

// readAnyway is the transcript of the stream, which must be the same however it
// is cut.
func readAnyway(t testing.TB, stream string, rules *frame.Rules, seed uint64) []string {
	t.Helper()
	want := read(t, new(frame.Reader), stream, rules, allAtOnce)
	check := func(how string, next func() int) {
		t.Helper()
		r := new(frame.Reader)
		if got := read(t, r, stream, rules, next); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: %.500q, at once: %.500q", how, got, want)
		}
		r.Reset()
		if !r.Idle() || r.Room() > 64<<10 {
			t.Fatalf("after Reset: idle %v, %d bytes", r.Idle(), r.Room())
		}
	}
	check("byte by byte", func() int { return 1 })
	if len(stream) <= 64 {
		for at := 1; at < len(stream); at++ {
			cuts := []int{at, len(stream)}
			check(fmt.Sprintf("cut at %d", at), func() (n int) { n, cuts = cuts[0], cuts[1:]; return n })
		}
	}
	random := rand.New(rand.NewPCG(seed, 8))
	for range 5 {
		largest := 1 + random.IntN(1+random.IntN(len(stream)+1))
		check("at random", func() int { return 1 + random.IntN(largest) })
	}
	return want
}

func TestReader(t *testing.T) {
	t.Parallel()
	const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00" // RFC 7692 §7.2.3.1
	server, client := frame.Rules{}, frame.Rules{Client: true}
	deflate, small := frame.Rules{Deflate: true}, frame.Rules{Deflate: true, MaxMessageBytes: 10}
	long := strings.Repeat("가나다", 30000)
	for name, test := range map[string]struct {
		rules  frame.Rules
		stream string
		want   []string
	}{
		// RFC 6455 §5.7.
		"RFC: unmasked":       {client, "\x81\x05\x48\x65\x6c\x6c\x6f", []string{`text "Hello"`}},
		"RFC: masked":         {server, "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", []string{`text "Hello"`}},
		"RFC: fragmented":     {client, "\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f", []string{`text "Hello"`}},
		"RFC: ping, pong":     {client, "\x89\x05\x48\x65\x6c\x6c\x6f\x8a\x05\x48\x65\x6c\x6c\x6f", []string{`ping "Hello"`, `pong "Hello"`}},
		"empty text":          {server, whole(frame.Text, ""), []string{`text ""`}},
		"binary is any bytes": {server, whole(frame.Binary, "\xff\x00"), []string{`binary "\xff\x00"`}},
		"several": {server, whole(frame.Text, "a") + whole(frame.Binary, "b") + whole(frame.Ping, "") + whole(frame.Text, "c"),
			[]string{`text "a"`, `binary "b"`, `ping ""`, `text "c"`}},
		"length of 2 bytes": {server, whole(frame.Text, strings.Repeat("x", 126)), []string{fmt.Sprintf("text %q", strings.Repeat("x", 126))}},
		"length of 8 bytes": {server, whole(frame.Text, long), []string{fmt.Sprintf("text %q", long)}},

		// Fragments, RFC 6455 §5.4.
		"control between fragments": {server,
			part(frame.Text, "a") + whole(frame.Ping, "1") + part(frame.Continuation, "b") + whole(frame.Pong, "2") + whole(frame.Continuation, "c"),
			[]string{`ping "1"`, `pong "2"`, `text "abc"`}},
		"close between fragments": {server, part(frame.Text, "a") + whole(frame.Close, ""), []string{`close 1005 ""`, "more"}},
		"empty fragments": {server, part(frame.Binary, "") + part(frame.Continuation, "") + part(frame.Continuation, "x") + whole(frame.Continuation, ""),
			[]string{`binary "x"`}},
		"only empty fragments": {server, part(frame.Text, "") + whole(frame.Continuation, ""), []string{`text ""`}},
		"all in the last":      {server, part(frame.Text, "") + whole(frame.Continuation, "all"), []string{`text "all"`}},
		"message after message": {server, part(frame.Text, "a") + whole(frame.Continuation, "b") + part(frame.Binary, "c") + whole(frame.Continuation, "d"),
			[]string{`text "ab"`, `binary "cd"`}},
		"many fragments": {server, part(frame.Text, "") + strings.Repeat(part(frame.Continuation, "x"), 1000) + whole(frame.Continuation, ""),
			[]string{fmt.Sprintf("text %q", strings.Repeat("x", 1000))}},
		"continuation of nothing":       {server, part(frame.Continuation, "a"), []string{"error 1002"}},
		"last continuation of nothing":  {server, whole(frame.Continuation, "a"), []string{"error 1002"}},
		"continuation after a message":  {server, whole(frame.Text, "a") + whole(frame.Continuation, "b"), []string{`text "a"`, "error 1002"}},
		"continuation after fragments":  {server, part(frame.Text, "a") + whole(frame.Continuation, "b") + whole(frame.Continuation, "c"), []string{`text "ab"`, "error 1002"}},
		"text within a message":         {server, part(frame.Text, "a") + whole(frame.Text, "b"), []string{"error 1002"}},
		"binary within empty fragments": {server, part(frame.Text, "") + part(frame.Binary, ""), []string{"error 1002"}},
		"partial":                       {server, whole(frame.Text, "ab")[:7], []string{"more"}},
		"partial header":                {server, "\x81", []string{"more"}},
		"partial message":               {server, part(frame.Text, "ab"), []string{"more"}},

		// Masks, RFC 6455 §5.1.
		"client does not mask":          {server, "\x81\x05Hello", []string{"error 1002"}},
		"client does not mask a ping":   {server, "\x89\x00", []string{"error 1002"}},
		"server masks":                  {client, whole(frame.Text, "Hello"), []string{"error 1002"}},
		"server masks a close":          {client, whole(frame.Close, ""), []string{"error 1002"}},
		"server masks, empty":           {client, whole(frame.Binary, ""), []string{"error 1002"}},
		"reserved bit":                  {server, "\xa1\x80\x00\x00\x00\x00", []string{"error 1002"}},
		"unknown opcode":                {server, "\x83\x80\x00\x00\x00\x00", []string{"error 1002"}},
		"long ping":                     {server, "\x89\xfe\x00\x7e\x00\x00\x00\x00", []string{"error 1002"}},
		"fragmented ping":               {server, "\x09\x80\x00\x00\x00\x00", []string{"error 1002"}},
		"length not shortest":           {server, "\x81\xfe\x00\x05\x00\x00\x00\x00Hello", []string{"error 1002"}},
		"good before bad":               {server, whole(frame.Text, "a") + "\xa1", []string{`text "a"`, "error 1002"}},
		"longest ping":                  {server, whole(frame.Ping, strings.Repeat("p", 125)), []string{fmt.Sprintf("ping %q", strings.Repeat("p", 125))}},
		"RSV1 on a ping":                {deflate, wire(frame.Ping, true, true, ""), []string{"error 1002"}},
		"RSV1 on a close":               {deflate, wire(frame.Close, true, true, ""), []string{"error 1002"}},
		"RSV1 not negotiated":           {server, wire(frame.Text, true, true, hello), []string{"error 1002"}},
		"RSV1 on a continuation":        {deflate, wire(frame.Text, false, true, hello) + wire(frame.Continuation, true, true, ""), []string{"error 1002"}},
		"RSV1 on a plain's next":        {deflate, part(frame.Text, "a") + wire(frame.Continuation, true, true, hello), []string{"error 1002"}},
		"client's RSV1 not negotiated":  {client, "\xc1\x07" + hello, []string{"error 1002"}},
		"the second bad frame is found": {server, part(frame.Text, "a") + whole(frame.Ping, "") + "\x91", []string{`ping ""`, "error 1002"}},

		// UTF-8, RFC 6455 §8.1.
		"character across fragments": {server, part(frame.Text, "\xea\xb0") + whole(frame.Ping, "") + whole(frame.Continuation, "\x80"),
			[]string{`ping ""`, `text "가"`}},
		"invalid across fragments": {server, part(frame.Text, "\xed") + part(frame.Continuation, "\xa0"), []string{"error 1007"}},
		"invalid in the middle":    {server, promise(frame.Text, true, false, 1000) + "\x37\x05", []string{"error 1007"}},
		"cut at the end":           {server, whole(frame.Text, "abc\xea\xb0"), []string{"error 1007"}},
		"cut at the last fragment": {server, part(frame.Text, "abc\xea") + whole(frame.Continuation, "\xb0"), []string{"error 1007"}},
		"cut, empty end":           {server, part(frame.Text, "abc\xea") + whole(frame.Continuation, ""), []string{"error 1007"}},
		"clean after cut message":  {server, part(frame.Binary, "\xea") + whole(frame.Continuation, "") + whole(frame.Text, "ok"), []string{`binary "\xea"`, `text "ok"`}},

		// Close, RFC 6455 §5.5.1, §7.4.
		"close":                 {server, whole(frame.Close, "\x03\xe8bye"), []string{`close 1000 "bye"`}},
		"close without reason":  {server, whole(frame.Close, "\x0f\xa0"), []string{`close 4000 ""`}},
		"close without code":    {server, whole(frame.Close, ""), []string{`close 1005 ""`}},
		"close, longest":        {server, whole(frame.Close, "\x03\xe8"+strings.Repeat("r", 123)), []string{fmt.Sprintf("close 1000 %q", strings.Repeat("r", 123))}},
		"close of 1 byte":       {server, whole(frame.Close, "\x03"), []string{"error 1002"}},
		"close 999":             {server, whole(frame.Close, "\x03\xe7"), []string{"error 1002"}},
		"close 1005":            {server, whole(frame.Close, "\x03\xed"), []string{"error 1002"}},
		"close 1006":            {server, whole(frame.Close, "\x03\xee"), []string{"error 1002"}},
		"close 5000":            {server, whole(frame.Close, "\x13\x88"), []string{"error 1002"}},
		"close reason no UTF-8": {server, whole(frame.Close, "\x03\xe8\xed\xa0\x80"), []string{"error 1007"}},
		"close reason cut":      {server, whole(frame.Close, "\x03\xe8\xea\xb0"), []string{"error 1007"}},

		// Compression, RFC 7692.
		"compressed":            {deflate, wire(frame.Text, true, true, hello), []string{`text "Hello"`}},
		"compressed, to client": {frame.Rules{Client: true, Deflate: true}, "\xc1\x07" + hello, []string{`text "Hello"`}},
		"RFC: two frames": {deflate, wire(frame.Text, false, true, hello[:3]) + whole(frame.Continuation, hello[3:]),
			[]string{`text "Hello"`}},
		"compressed, control between": {deflate, wire(frame.Binary, false, true, hello[:3]) + whole(frame.Ping, "p") + whole(frame.Continuation, hello[3:]),
			[]string{`ping "p"`, `binary "Hello"`}},
		"compressed, empty":         {deflate, wire(frame.Text, true, true, "\x00"), []string{`text ""`}},
		"plain among compressed":    {deflate, wire(frame.Text, true, true, hello) + whole(frame.Text, "plain") + wire(frame.Text, true, true, hello), []string{`text "Hello"`, `text "plain"`, `text "Hello"`}},
		"compressed, long":          {deflate, wire(frame.Text, true, true, deflated(long)), []string{fmt.Sprintf("text %q", long)}},
		"compressed, corrupt":       {deflate, wire(frame.Text, true, true, "\x07"), []string{"error 1007"}},
		"compressed, no UTF-8":      {deflate, wire(frame.Text, true, true, deflated("ab\xff")), []string{"error 1007"}},
		"compressed, cut character": {deflate, wire(frame.Text, true, true, deflated("ab\xea\xb0")), []string{"error 1007"}},
		"compressed, binary":        {deflate, wire(frame.Binary, true, true, deflated("ab\xff")), []string{`binary "ab\xff"`}},

		// Limits.
		"as long as allowed":          {small, whole(frame.Text, "0123456789"), []string{`text "0123456789"`}},
		"too long by its header":      {small, promise(frame.Text, true, false, 11), []string{"error 1009"}},
		"longest length":              {small, promise(frame.Text, true, false, math.MaxInt64), []string{"error 1009"}},
		"fragments, allowed":          {small, part(frame.Text, "01234") + whole(frame.Ping, "0123456789abc") + whole(frame.Continuation, "56789"), []string{`ping "0123456789abc"`, `text "0123456789"`}},
		"fragments, too long":         {small, part(frame.Text, "01234") + promise(frame.Continuation, false, false, 6), []string{"error 1009"}},
		"fragments, sum overflows":    {small, part(frame.Text, "01234") + promise(frame.Continuation, false, false, math.MaxInt64), []string{"error 1009"}},
		"compressed, allowed":         {small, wire(frame.Text, true, true, deflated("0123456789")), []string{`text "0123456789"`}},
		"compressed, too long":        {small, wire(frame.Text, true, true, deflated("0123456789a")), []string{"error 1009"}},
		"compressed, bomb":            {small, wire(frame.Text, true, true, deflated(strings.Repeat("0", 2000))), []string{"error 1009"}},
		"compressed, too long header": {small, promise(frame.Text, true, true, 100), []string{"error 1009"}},
		"size begins anew":            {small, strings.Repeat(whole(frame.Text, "01234567"), 3), []string{`text "01234567"`, `text "01234567"`, `text "01234567"`}},
		"huge limit":                  {frame.Rules{Deflate: true, MaxMessageBytes: math.MaxInt64}, wire(frame.Text, true, true, hello) + promise(frame.Text, true, true, math.MaxInt64), []string{`text "Hello"`, "more"}},
		"no limit":                    {frame.Rules{MaxMessageBytes: -1}, promise(frame.Text, false, false, math.MaxInt64), []string{"more"}},
		"no limit, sum overflows":     {server, part(frame.Binary, "01234") + promise(frame.Continuation, true, false, math.MaxInt64) + "56789", []string{"more"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readAnyway(t, test.stream, &test.rules, 1)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("events %.500q, want %.500q", got, test.want)
			}
		})
	}
}

// Random conversations: what was sent comes out, however it is cut into
// fragments and pieces.
func TestReaderConversations(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			stream, want := conversation(rand.New(rand.NewPCG(seed, 9)))
			got := readAnyway(t, stream, &frame.Rules{Deflate: true, MaxMessageBytes: 64 << 10}, seed)
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("events %.500q, want %.500q", got, want)
			}
		})
	}
}

func conversation(random *rand.Rand) (stream string, want []string) {
	words := []string{"hello ", "안녕 ", "🏠", "1234567890", "é", ""}
	text := func(n int) (s string) {
		for range random.IntN(n + 1) {
			s += words[random.IntN(len(words))]
		}
		return s
	}
	control := func() {
		op := []frame.Opcode{frame.Ping, frame.Pong}[random.IntN(2)]
		payload := text(12)
		stream += whole(op, payload)
		want = append(want, fmt.Sprintf("%v %q", op, payload))
	}
	for range 1 + random.IntN(8) {
		op := []frame.Opcode{frame.Text, frame.Binary}[random.IntN(2)]
		message := text(1 << random.IntN(10))
		payload, compressed := message, random.IntN(2) == 0
		if compressed {
			payload = deflated(message)
		}
		next := op
		for random.IntN(3) > 0 {
			cut := random.IntN(len(payload) + 1)
			stream += wire(next, false, compressed && next == op, payload[:cut])
			payload, next = payload[cut:], frame.Continuation
			if random.IntN(3) == 0 {
				control()
			}
		}
		stream += wire(next, true, compressed && next == op, payload)
		want = append(want, fmt.Sprintf("%v %q", op, message))
	}
	return stream, want
}

// A frame that promises much makes the reader hold little.
func TestReaderMemory(t *testing.T) {
	t.Parallel()
	for name, fin := range map[string]bool{"final": true, "fragment": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r frame.Reader
			rules := new(frame.Rules)
			feed := func(p []byte) {
				if _, _, err := r.Next(p, rules); err != nil {
					t.Fatal(err)
				}
			}
			feed([]byte(promise(frame.Binary, fin, false, 1<<40)))
			if r.Room() != 0 {
				t.Errorf("%d bytes held for a header", r.Room())
			}
			for arrived := 1; arrived < 1<<18; arrived += 100 {
				feed(make([]byte, 100))
				if bound := max(4<<10, 2*(arrived+100)); r.Room() > bound {
					t.Fatalf("%d bytes held for %d", r.Room(), arrived)
				}
			}
			if r.Reset(); r.Room() > 64<<10 || !r.Idle() {
				t.Errorf("%d bytes held after Reset, idle %v", r.Room(), r.Idle())
			}
		})
	}
	t.Run("no more than the frame", func(t *testing.T) {
		t.Parallel()
		var r frame.Reader
		whole := whole(frame.Binary, strings.Repeat("x", 200))
		read(t, &r, whole, new(frame.Rules), func() int { return 1 })
		if r.Room() != 200-1 && r.Room() != 200 {
			t.Errorf("%d bytes held for 200", r.Room())
		}
	})
}

// The usual case: all of a frame is there.
func TestReaderAllocations(t *testing.T) {
	stream := []byte(whole(frame.Text, strings.Repeat("x", 128)))
	p, rules := bytes.Clone(stream), new(frame.Rules)
	var r frame.Reader
	if n := testing.AllocsPerRun(100, func() {
		copy(p, stream)
		if ev, _, err := r.Next(p, rules); err != nil || ev.Op != frame.Text || &ev.Payload[0] != &p[len(p)-128] {
			t.Errorf("%v, %v", ev.Op, err)
		}
	}); n != 0 {
		t.Errorf("Next allocates %v times", n)
	}
	if !r.Idle() || r.Room() != 0 {
		t.Errorf("idle %v, %d bytes held", r.Idle(), r.Room())
	}
}

// FuzzReader: any bytes, in any pieces, under any rules.
func FuzzReader(f *testing.F) {
	for i, seed := range []string{
		whole(frame.Text, "Hello"), part(frame.Text, "안") + whole(frame.Ping, "p") + whole(frame.Continuation, "녕"),
		wire(frame.Text, true, true, "\xf2\x48\xcd\xc9\xc9\x07\x00"), whole(frame.Close, "\x03\xe8bye"), "\x81\x05Hello",
		wire(frame.Binary, false, true, "\xf2\x48\xcd") + whole(frame.Continuation, "\xc9\xc9\x07\x00"), "\x01\x03Hel\x80\x02lo",
		promise(frame.Text, true, false, 1<<40) + "abc", whole(frame.Text, "\xed\xa0\x80"), "\x88\x01\x03", "\xc1\x02\x07\x00",
	} {
		f.Add([]byte(seed), uint64(i), i%2 == 0, true, int64(1000))
	}
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, client, deflate bool, limit int64) {
		rules := &frame.Rules{Client: client, Deflate: deflate, MaxMessageBytes: min(limit, 1<<16)}
		if rules.MaxMessageBytes <= 0 && deflate {
			rules.MaxMessageBytes = 1 << 16 // keep bombs small here
		}
		if len(stream) > 0 {
			readAnyway(t, string(stream), rules, seed)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	for _, size := range []int{128, 64 << 10} {
		for name, payload := range map[string]string{
			"ascii":  strings.Repeat("x", size),
			"korean": strings.Repeat("가나다라 ", size/13) + strings.Repeat(".", size%13),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				p, rules := []byte(whole(frame.Text, payload)), new(frame.Rules)
				body := p[len(p)-size:]
				var r frame.Reader
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, _, err := r.Next(p, rules); err != nil {
						b.Fatal(err)
					}
					frame.Mask(body, key, 0) // for the next round
				}
			})
		}
	}
}
