package main

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readAll is every event of a stream and the error that ended it.
func readAll(r io.Reader) (events []event, err error) {
	reader := newEventReader(r)
	for {
		e, err := reader.next()
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
}

func TestEventReader(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, stream string
		want         []event
	}{
		{"nothing", "", nil},
		{"maru's first block", "retry: 2000\nid: k3f9:811\n\n", []event{{id: "k3f9:811", hasID: true, retry: 2 * time.Second}}},
		{"publication", "id: k3f9:812\ndata: kim => hello\n\n", []event{{id: "k3f9:812", hasID: true, data: []byte("kim => hello")}}},
		{"several lines", "data: a\ndata:\ndata: b\n\n", []event{{data: []byte("a\n\nb")}}},
		{"empty data", "data\n\n", []event{{data: []byte{}}}},
		{"one space is taken off", "data:  a\ndata:b \n\n", []event{{data: []byte(" a\nb ")}}},
		{"event", "event: gap\ndata: {}\n\n", []event{{name: "gap", data: []byte("{}")}}},
		{"colon in the value", "data: a: b\n\n", []event{{data: []byte("a: b")}}},
		{"comments say nothing", ":\n\n: hello\n\ndata: a\n: b\n\n", []event{{data: []byte("a")}}},
		{"unknown fields say nothing", "pling: 1\n\n", nil},
		{"names are exact", "Data: a\n data: b\n\n", nil},
		{"id is taken back", "id\n\n", []event{{hasID: true}}},
		{"id with NUL", "id: a\x00b\n\n", nil},
		{"retry that is no number", "retry: 1s\nretry: -1\nretry: \n\n", nil},
		{"retry beyond all measure", "retry: 99999999999\n\n", nil},
		{"byte order mark", "\ufeffdata: a\n\n\ufeffdata: b\n\n", []event{{data: []byte("a")}}},
		{"line ends", "data: a\r\n\r\ndata: b\r\rdata: c\n\ndata: d\r\n\n", []event{{data: []byte("a")}, {data: []byte("b")}, {data: []byte("c")}, {data: []byte("d")}}},
		{"an unfinished block is dropped", "data: a\n\ndata: b\n", []event{{data: []byte("a")}}},
		{"an unfinished line is dropped", "data: a\n\nid: 1", []event{{data: []byte("a")}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for split, r := range map[string]io.Reader{
				"whole": strings.NewReader(tt.stream),
				"bytes": iotest.OneByteReader(strings.NewReader(tt.stream)),
			} {
				got, err := readAll(r)
				if !errors.Is(err, io.EOF) || !reflect.DeepEqual(got, tt.want) {
					t.Errorf("%s: %+v, %v, want %+v", split, got, err, tt.want)
				}
			}
		})
	}
}

func TestEventReaderRefuses(t *testing.T) {
	t.Parallel()
	lost := errors.New("lost")
	line := "data: " + strings.Repeat("a", 1<<20) + "\n"
	for _, tt := range []struct {
		name   string
		stream io.Reader
		want   error
	}{
		{"not UTF-8", strings.NewReader("data: \xff\n\n"), errEventNotText},
		{"a line without end", io.LimitReader(endless('a'), maxEventBytes+2), errEventTooLong},
		{"data without end", strings.NewReader(strings.Repeat(line, maxEventBytes>>20+1)), errEventTooLong},
		{"a connection that breaks", io.MultiReader(strings.NewReader("data: a\n"), iotest.ErrReader(lost)), lost},
	} {
		if got, err := readAll(tt.stream); !errors.Is(err, tt.want) || got != nil {
			t.Errorf("%s: %d events, error %v, want %v", tt.name, len(got), err, tt.want)
		}
	}
}

type endless byte

func (b endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

// An event that ends in \r\r must not wait for the byte that could be \n.
func TestEventReaderDoesNotWait(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer w.Close()
	go io.WriteString(w, "data: a\r\r")
	if e, err := newEventReader(r).next(); err != nil || string(e.data) != "a" {
		t.Errorf("%+v, %v", e, err)
	}
}

// However the stream is cut into reads, the events are the same.
func FuzzEventReader(f *testing.F) {
	f.Add("retry: 2000\nid: k3f9:811\n\nid: k3f9:812\ndata: kim => hello\n\n", uint8(3))
	f.Add("event: base64\r\nid: k3f9:815\r\ndata: AQID\r\n\r\n:\r\r", uint8(1))
	f.Add("\ufeffevent: gap\ndata: {\"reason\":\"expired\",\"from\":813,\"to\":900}\n\n", uint8(7))
	f.Add("data\n\ndata: \xff\n\n", uint8(2))
	f.Fuzz(func(t *testing.T, stream string, step uint8) {
		whole, wholeErr := readAll(strings.NewReader(stream))
		cut, cutErr := readAll(&stepReader{strings.NewReader(stream), int(step) + 1})
		if !reflect.DeepEqual(whole, cut) || !errors.Is(cutErr, wholeErr) {
			t.Errorf("%q at once: %+v, %v; in steps of %d: %+v, %v", stream, whole, wholeErr, step, cut, cutErr)
		}
		for _, e := range whole {
			if !e.hasID && e.id != "" || strings.ContainsAny(e.name+e.id, "\r\n") || strings.ContainsRune(string(e.data), '\r') {
				t.Errorf("%q: impossible event %+v", stream, e)
			}
		}
	})
}

type stepReader struct {
	r    io.Reader
	step int
}

func (s *stepReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(s.step, len(p))]) }
