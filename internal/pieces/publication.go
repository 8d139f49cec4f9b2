package pieces

import (
	"bytes"
	"encoding/base64"

	"maru.example/maru"
)

// part is how much of a publication's data is encoded at a time: a multiple of three, so that
// base64 has padding only at the end.
const part = Bytes / 2 / 3 * 3

// addPublication appends a publication, or the part of its data from there. It returns where the
// next part begins, 0 after the last.
func addPublication(dst []byte, p *maru.Publication, from int) (b []byte, next int) {
	if len(p.Data) <= part {
		return p.AppendJSON(dst), 0
	}
	head, tail := around(p)
	if from == 0 {
		dst = append(dst, head...)
	}
	next = min(from+part, len(p.Data))
	dst = addData(dst, p.Kind, p.Data[from:next])
	if next < len(p.Data) {
		return dst, next
	}
	return append(dst, tail...), 0
}

// around returns what AppendJSON puts before and behind the data, with the quotes of a string.
func around(p *maru.Publication) (head, tail []byte) {
	empty := *p
	empty.Data = nil
	all := empty.AppendJSON(nil)
	mark := []byte(`"data":`) // only a number and a word come before it
	if p.Kind != maru.JSON {
		mark = append(mark, '"')
	}
	n := bytes.Index(all, mark) + len(mark)
	return all[:n], all[n:]
}

// addData appends a part of the data, without quotes.
func addData(dst []byte, kind maru.Kind, data []byte) []byte {
	switch kind {
	case maru.JSON:
		return append(dst, data...)
	case maru.Binary:
		return base64.StdEncoding.AppendEncode(dst, data)
	}
	n := len(dst)
	dst = maru.AppendString(dst, string(data)) // byte by byte: it may begin within a character
	return append(dst[:n], dst[n+1:len(dst)-1]...)
}
