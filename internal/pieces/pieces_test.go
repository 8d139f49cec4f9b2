package pieces_test

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/pieces"
)

// whole joins the pieces and checks the size of each.
func whole(t testing.TB, j *pieces.JSON) []byte {
	t.Helper()
	var all []byte
	for more := true; more; {
		var piece []byte
		piece, more = j.Next(nil)
		if len(piece) == 0 || len(piece) > 5*pieces.Bytes {
			t.Fatalf("a piece has %d bytes", len(piece))
		}
		all = append(all, piece...)
	}
	return all
}

func plain(v any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// The pieces are what the whole value is.
func TestHistory(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 12, 0, 0, 5000, time.UTC)
	for name, h := range map[string]maru.History{
		"empty": {Epoch: "k3f9", Head: 7},
		"a gap": {Epoch: "k3f9", Gap: &maru.Gap{Reason: maru.GapExpired, From: 1, To: 900}},
		"small ones": {Epoch: "k3f9", Head: 2, Publications: []*maru.Publication{
			{Offset: 1, Data: []byte("a"), Time: at}, {Offset: 2, Kind: maru.JSON, Data: []byte(`{"<>":1}`), Key: "k\"", User: "김", Time: at}}},
		"long ones of each kind": {Epoch: "k3f9", Head: 1 << 60, Publications: []*maru.Publication{
			{Offset: 1, Data: []byte(strings.Repeat("한글 \"data\":\"\x01<b>", 9000)), Key: `"data":"`, Event: `"data":"`, User: "kim", Time: at},
			{Offset: 2, Kind: maru.JSON, Data: []byte(`["` + strings.Repeat("x", 100_000) + `"]`), Time: at},
			{Offset: 3, Kind: maru.Binary, Data: bytes.Repeat([]byte{0, 255, 7, 8}, 30_001), Time: at},
			{Data: []byte(strings.Repeat("\x01", 100_000)), Time: at}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := []byte(`{"channel":"a\"<","epoch":"k3f9","offset":` + string(plain(h.Head)) + `,"publications":[`)
			for i, p := range h.Publications {
				if i > 0 {
					want = append(want, ',')
				}
				want = p.AppendJSON(want)
			}
			want = append(want, ']')
			if h.Gap != nil {
				want = append(append(want, `,"gap":`...), plain(h.Gap)...)
			}
			want = append(want, '}')
			if got := whole(t, pieces.History(`a"<`, h)); !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want %d:\n%.300s\n%.300s", len(got), len(want), got, want)
			}
		})
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	var many []maru.PresentUser
	for range 5000 {
		many = append(many, maru.PresentUser{User: `<"users":[">`, Connections: 2})
	}
	for name, users := range map[string][]maru.PresentUser{"above the limit": nil, "nobody": {}, "one": many[:1], "many": many} {
		p := maru.Presence{Channel: `"users":[`, Version: 7, Count: 3, Users: users, Anonymous: 4}
		want := plain(p)
		if got := whole(t, pieces.Presence(p)); !bytes.Equal(got, want) {
			t.Errorf("%s: got %.200s, want %.200s", name, got, want)
		}
	}
}

func TestWithin(t *testing.T) {
	t.Parallel()
	got := whole(t, pieces.Presence(maru.Presence{Channel: "a"}).Within(`{"id":1,"presence":`, `}`))
	if want := `{"id":1,"presence":{"channel":"a","version":0,"count":0,"anonymous":0}}`; string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A publication of any data is the same in pieces.
func FuzzHistory(f *testing.F) {
	f.Add([]byte("한"), "key", uint8(0), uint16(9000), uint64(1))
	f.Add([]byte{0, 255}, `"data":"`, uint8(2), uint16(20_000), uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, key string, kind uint8, times uint16, seed uint64) {
		if len(data)*int(times) > 1<<20 {
			t.Skip("too long")
		}
		p := &maru.Publication{Offset: seed, Kind: maru.Kind(kind % 3), Data: bytes.Repeat(data, int(times)), Key: key}
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(p.Data), func(i, j int) { p.Data[i], p.Data[j] = p.Data[j], p.Data[i] })
		want := append(p.AppendJSON([]byte(`{"channel":"a","epoch":"","offset":0,"publications":[`)), "]}"...)
		if got := whole(t, pieces.History("a", maru.History{Publications: []*maru.Publication{p}})); !bytes.Equal(got, want) {
			t.Errorf("got %.200q, want %.200q", got, want)
		}
	})
}
