package frame

import "unicode/utf8"

// utf8Check checks text that arrives in pieces, which may end inside a character. It
// refuses the text at the first byte that cannot belong to valid UTF-8 (RFC 6455 §8.1, RFC
// 3629), so that the fault is found before the message ends.
type utf8Check struct {
	cut [utf8.UTFMax - 1]byte // the beginning of a character that the last piece cut
	n   uint8                 // how many bytes of it
}

// next takes the next piece and reports whether all so far may begin valid text.
func (c *utf8Check) next(p []byte) bool {
	for c.n > 0 && len(p) > 0 {
		var char [utf8.UTFMax]byte
		n := copy(char[:], c.cut[:c.n])
		char[n] = p[0]
		n, p = n+1, p[1:]
		// FullRune is also true for bytes that no further byte can make valid.
		if !utf8.FullRune(char[:n]) {
			c.n = uint8(copy(c.cut[:], char[:n]))
			continue
		}
		if !utf8.Valid(char[:n]) {
			return false
		}
		c.n = 0
	}
	whole := len(p)
	for i := len(p) - 1; i >= 0 && i >= len(p)-len(c.cut); i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				whole = i
				c.n = uint8(copy(c.cut[:], p[i:]))
			}
			break
		}
	}
	return utf8.Valid(p[:whole])
}

// done reports whether the text may end here: not inside a character.
func (c *utf8Check) done() bool { return c.n == 0 }
