package request

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"maru.example/maru"
)

// KeyAt returns the key at a JSON pointer (RFC 6901) in the data of p, if that is JSON, or text
// that is a JSON object or array. A string is returned as it is, a number or a boolean as it is
// written. KeyAt returns "" for any other value and for one longer than maru.MaxKeyBytes.
func KeyAt(pointer string, p *maru.Publication) string {
	data := p.Data
	if p.Kind == maru.Binary || p.Kind == maru.Text && !opens(data) || !strings.HasPrefix(pointer, "/") {
		return ""
	}
	for token := range strings.SplitSeq(pointer[1:], "/") {
		if data = child(data, unescape.Replace(token)); data == nil {
			return ""
		}
	}
	key := string(data)
	switch key[0] {
	case '"':
		key = ""
		json.Unmarshal(data, &key)
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

// child returns the value of an object's field or an array's element, nil if there is none. The
// last of duplicate fields counts, as everywhere in encoding/json.
func child(data []byte, token string) json.RawMessage {
	switch data = bytes.TrimLeft(data, " \t\r\n"); {
	case len(data) == 0:
	case data[0] == '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) == nil {
			return object[token]
		}
	case data[0] == '[':
		var array []json.RawMessage
		i, err := strconv.ParseUint(token, 10, 31)
		if err != nil || strconv.FormatUint(i, 10) != token || json.Unmarshal(data, &array) != nil || i >= uint64(len(array)) {
			return nil // also for 01, -1 and -, which is after the last element
		}
		return array[i]
	}
	return nil
}
