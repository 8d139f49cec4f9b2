package frame_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"unicode/utf8"

	"maru.example/maru/internal/frame"
)

// beginnings has every proper beginning of the encoding of every character.
var beginnings = sync.OnceValue(func() map[string]bool {
	set := map[string]bool{}
	for r := rune(utf8.RuneSelf); r <= utf8.MaxRune; r++ {
		if utf8.ValidRune(r) {
			encoded := string(r)
			for end := 1; end < len(encoded); end++ {
				set[encoded[:end]] = true
			}
		}
	}
	return set
})

// naiveUTF8 is the index of the first byte of s that cannot belong to valid
// text, len(s) if there is none, and whether s may end where it does.
func naiveUTF8(s string) (bad int, done bool) {
	for i := 0; i < len(s); {
		if r, size := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
			i += size
			continue
		}
		end := i + 1
		for end <= len(s) && beginnings()[s[i:end]] {
			end++
		}
		return end - 1, false
	}
	return len(s), true
}

// textUntilError feeds s as one text frame in pieces of up to step bytes. It
// tells how many bytes the reader had got when it refused, and whether it took
// the message in the end.
func textUntilError(t *testing.T, s string, step int) (fed int, complete bool) {
	t.Helper()
	var r frame.Reader
	rules := &frame.Rules{Client: true}
	head := frame.AppendHeader(nil, frame.Header{Fin: true, Op: frame.Text, Length: int64(len(s))})
	ev, _, err := r.Next(head, rules)
	for fed < len(s) && err == nil {
		end := min(fed+step, len(s))
		ev, _, err = r.Next([]byte(s[fed:end]), rules)
		fed = end
	}
	if err != nil && code(err) != 1007 {
		t.Fatalf("%x: %v", s, err)
	}
	return fed, ev.Op == frame.Text && string(ev.Payload) == s
}

func checkUTF8(t *testing.T, s string) {
	t.Helper()
	bad, done := naiveUTF8(s)
	for step := 1; step <= len(s); step++ {
		fed, complete := textUntilError(t, s, step)
		want := len(s)
		if bad < len(s) {
			want = min((bad/step+1)*step, len(s)) // the piece with the bad byte
		}
		if fed != want || complete != done {
			t.Fatalf("%x by %d: %d bytes taken, complete %v; want %d, %v", s, step, fed, complete, want, done)
		}
	}
}

func TestUTF8(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"plain", "κόσμε", "안녕하세요", "🏠", "\x00", "\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
		"a\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2\x20", "\xc3", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe0\xa0",
		"\xed\xa0\x80", "\xed\xbf\xbf", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5", "\xfe", "\xff", "\xe1\x80", "\xf1\x80\x80", "\xf1\x80\x80x",
		"κόσμε\xf4\x90\x80\x80edited", "aaaaaaaaaaaaaaaaaaaaaaaaa\xe3\x81",
	} {
		checkUTF8(t, s)
	}
}

// Random bytes of the kinds that lie on the borders of RFC 3629's table.
func TestUTF8Random(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	kinds := []string{
		"a", "\x7f", "\x80", "\x8f", "\x90", "\x9f", "\xa0", "\xbf", "\xc0", "\xc1", "\xc2", "\xdf",
		"\xe0", "\xe1", "\xed", "\xef", "\xf0", "\xf1", "\xf4", "\xf5", "\xff", "가", "é", "🏠", "12345678",
	}
	for range 3000 {
		s := ""
		for range random.IntN(12) + 1 {
			s += kinds[random.IntN(len(kinds))]
		}
		checkUTF8(t, s)
	}
}
