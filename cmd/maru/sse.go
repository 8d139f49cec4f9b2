package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxEventBytes bounds one line and the data of one event.
const maxEventBytes = 64 << 20

var (
	errEventTooLong = errors.New("the server sent an event larger than 64 MiB")
	errEventNotText = errors.New("the server sent an event that is not valid UTF-8")
)

// event is one block of a stream of server-sent events.
type event struct {
	name  string        // "" is the specification's "message"
	id    string        // where hasID
	hasID bool          // the block has an id, which may be empty
	data  []byte        // lines joined by \n; nil: the block has none
	retry time.Duration // 0: the block has none
}

// eventReader reads the event stream format of the HTML standard (§9.2.6). It returns every
// block with at least one field, also without data: maru's first block has only a retry
// and an id. It ignores malformed fields where the standard does. Events that are not
// UTF-8 or too long are errors.
type eventReader struct {
	lines *bufio.Scanner
	first bool // the next line may begin with a byte order mark
}

func newEventReader(r io.Reader) *eventReader {
	er := &eventReader{lines: bufio.NewScanner(r), first: true}
	er.lines.Buffer(nil, maxEventBytes)
	er.lines.Split(new(lineSplitter).split)
	return er
}

// next returns the next event. At the end of the stream it returns io.EOF; an unfinished
// block is dropped, as the standard says.
func (er *eventReader) next() (event, error) {
	var e event
	said := false
	for er.lines.Scan() {
		line := er.lines.Bytes()
		if er.first {
			line, er.first = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf")), false
		}
		if len(line) == 0 {
			if said {
				return e, nil
			}
			continue
		}
		if !utf8.Valid(line) {
			return event{}, errEventNotText
		}
		if len(e.data)+len(line) > maxEventBytes {
			return event{}, errEventTooLong
		}
		said = e.field(line) || said
	}
	switch err := er.lines.Err(); {
	case err == nil:
		return event{}, io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return event{}, errEventTooLong
	default:
		return event{}, err
	}
}

// field processes one line and reports whether it has a known field.
func (e *event) field(line []byte) bool {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "event":
		e.name = string(value)
	case "data":
		if e.data == nil {
			e.data = append([]byte{}, value...)
		} else {
			e.data = append(append(e.data, '\n'), value...)
		}
	case "id":
		if bytes.IndexByte(value, 0) >= 0 {
			return false
		}
		e.id, e.hasID = string(value), true
	case "retry":
		milliseconds, err := strconv.ParseUint(string(value), 10, 31)
		if err != nil {
			return false
		}
		e.retry = time.Duration(milliseconds) * time.Millisecond
	default: // a comment (no name) or an unknown field
		return false
	}
	return true
}

// lineSplitter splits at \n, \r and \r\n. It returns a line that ends in \r at once, and
// skips a following \n with the next line. So an event never waits for a byte that may not
// arrive.
type lineSplitter struct {
	afterCR bool
	seen    int // bytes of the unfinished line that were searched already
}

func (s *lineSplitter) split(data []byte, atEOF bool) (advance int, token []byte, err error) {
	start := 0
	if s.afterCR && len(data) > 0 {
		s.afterCR = false
		if data[0] == '\n' {
			start = 1
		}
	}
	from := max(start, s.seen)
	end := bytes.IndexAny(data[from:], "\r\n")
	if end < 0 {
		s.seen = len(data) - start
		return start, nil, nil // at the end of the stream: an unfinished line is dropped
	}
	end += from
	s.seen, s.afterCR = 0, data[end] == '\r'
	return end + 1, data[start:end:end], nil
}
