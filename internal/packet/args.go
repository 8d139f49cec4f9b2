package packet

import (
	"bytes"

	"maru.example/maru/internal/strict"
)

// Args returns the elements of the array of a packet, as the peer sent them. They share memory with
// it. The array is JSON, which Decode has checked: Args only looks for its commas, which takes a
// fraction of the time.
func Args(array []byte) ([]strict.Raw, error) {
	args := make([]strict.Raw, 0, 4)
	depth, begin, quoted := 0, 0, false
	for i := 0; i < len(array); i++ {
		switch c := array[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			if depth++; depth == 1 {
				begin = i + 1
			}
		case c == ',' && depth == 1:
			args = append(args, element(array[begin:i]))
			begin = i + 1
		case c == ']', c == '}':
			if depth--; depth > 0 {
				continue
			}
			if last := element(array[begin:i]); len(last) > 0 {
				args = append(args, last)
			}
			return args, nil
		}
	}
	return nil, errJSON
}

// element is a value without the white space around it, with which nothing can be overwritten.
func element(b []byte) strict.Raw {
	b = bytes.Trim(b, " \t\r\n")
	return strict.Raw(b[:len(b):len(b)])
}
