package request

import (
	"bytes"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/strict"
)

// KeyAt returns the key at a JSON pointer (RFC 6901) in the data of p, if that is JSON, or text
// that is a JSON object or array. A string is returned as it is, a number or a boolean as it is
// written. KeyAt returns "" for any other value, for text that is not valid Unicode, and for one
// longer than maru.MaxKeyBytes. The last of equal names counts, as for JSON.parse.
func KeyAt(pointer string, p *maru.Publication) string {
	data := p.Data
	if p.Kind == maru.Binary || p.Kind == maru.Text && !opens(data) || !strings.HasPrefix(pointer, "/") {
		return ""
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if data = strict.Child(data, unescape.Replace(token)); data == nil {
			return ""
		}
	}
	key := string(data)
	switch key[0] {
	case '"':
		text, err := strict.String(data)
		if err != nil {
			return "" // half a surrogate pair: no name for anything
		}
		key = string(text)
	case '{', '[', 'n': // n of null
		return ""
	}
	if len(key) > maru.MaxKeyBytes {
		return ""
	}
	return key
}

// unescape reads a reference token: ~1 is / and ~0 is ~, in that order (RFC 6901 §4).
var unescape = strings.NewReplacer("~1", "/", "~0", "~")

// opens reports whether text may be a JSON object or array.
func opens(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}
