package sse

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
)

// block is what a client makes of one block, by the rules of HTML, "Interpreting an
// event stream".
type block struct {
	id, event, retry string
	data             []string
}

func parseBlock(text string) (blocks []block, rest string) {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for {
		one, after, whole := strings.Cut(text, "\n\n")
		if !whole {
			return blocks, text
		}
		var b block
		for line := range strings.SplitSeq(one, "\n") {
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "id":
				b.id = value
			case "event":
				b.event = value
			case "retry":
				b.retry = value
			case "data":
				b.data = append(b.data, value)
			}
		}
		blocks, text = append(blocks, b), after
	}
}

// Whatever is published comes out of the stream as it was, as one block.
func FuzzPublication(f *testing.F) {
	for _, data := range []string{"", "kim => hi", " a", "a\n\nb", "a\n", "id: 7\nevent: x", "a\r\nb", "\r", "\x00\xff", "data", ":", "마루"} {
		f.Add([]byte(data), "", false, uint64(7))
		f.Add([]byte(data), " 가격 : ", true, uint64(0))
	}
	f.Add([]byte("x"), "price", false, uint64(7))
	f.Add([]byte("x"), "gap", false, uint64(7))
	f.Fuzz(func(t *testing.T, data []byte, event string, binary bool, offset uint64) {
		p := &maru.Publication{Kind: maru.Text, Data: data, Event: event, Offset: offset}
		if maru.CheckEvent(event) != nil {
			return
		}
		if binary {
			p.Kind = maru.Binary
		}
		before := "data: before\n\n"
		blocks, rest := parseBlock(string(appendPublication([]byte(before), "e", p, "")))
		if len(blocks) != 2 || rest != "" || blocks[0].data[0] != "before" {
			t.Fatalf("blocks %q, rest %q", blocks, rest)
		}
		b := blocks[1]
		got := strings.Join(b.data, "\n")
		name, encoded := strings.CutPrefix(b.event, "base64")
		if name = strings.TrimPrefix(name, ":"); !encoded {
			name = b.event
		}
		if name != event {
			t.Errorf("event %q came as %q", event, b.event)
		}
		if encoded {
			raw, err := base64.StdEncoding.DecodeString(got)
			if err != nil {
				t.Fatal(err)
			}
			got = string(raw)
		} else if binary {
			t.Errorf("binary came as event %q", b.event)
		}
		if got != string(data) {
			t.Errorf("got %q, want %q", got, data)
		}
		if want := (maru.Position{Epoch: "e", Offset: offset}).String(); offset > 0 && b.id != want || offset == 0 && b.id != "" {
			t.Errorf("id %q of offset %d", b.id, offset)
		}
	})
}

func TestBlocks(t *testing.T) {
	t.Parallel()
	gap := &maru.Gap{Reason: "epoch"}
	kept := maru.History{Epoch: "e", Head: 9, Gap: gap, Publications: []*maru.Publication{{Offset: 9}}}
	for name, tt := range map[string]struct{ got, want string }{
		"retry":            {string(appendRetry(nil, 4200*time.Millisecond)), "retry: 4200\n"},
		"id":               {string(appendID(nil, maru.Position{Epoch: "e", Offset: 7}, "")), "id: e:7\n"},
		"id with a secret": {string(appendID(nil, maru.Position{Epoch: "e", Offset: 7}, "S")), "id: e:7:S\n"},
		"refused": {string(appendRefused(nil, maru.NewError(maru.CodeUnavailable, "later"), 7*time.Second)),
			"retry: 7000\nevent: refused\ndata: {\"code\":\"unavailable\",\"message\":\"later\"}\n\n"},
		"gap":                {string(appendGap(nil, kept, "")), "event: gap\ndata: {\"reason\":\"epoch\"}\n\n"},
		"gap before nothing": {string(appendGap(nil, maru.History{Epoch: "e", Head: 9, Gap: gap}, "")), "event: gap\nid: e:9\ndata: {\"reason\":\"epoch\"}\n\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", name, tt.got, tt.want)
		}
	}
}
