package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// config lists the namespace of the test. Everybody may do everything, also in namespaces that
// are not listed.
func config(t *testing.T) string {
	anyone := "subscribe = \"anyone\"\npublish = \"anyone\"\nhistory = \"anyone\"\n"
	path := filepath.Join(t.TempDir(), "maru.toml")
	if err := os.WriteFile(path, []byte("[namespaces.default]\n"+anyone+"[namespaces.room]\n"+anyone), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// flood publishes in ever new namespaces, each time with an idempotency key of its own, until
// stop. Whatever it does must not harm the namespace that is listed.
func flood(ctx context.Context, addr string, chance *rand.Rand, stop chan struct{}) (accepted int) {
	client := newClient()
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		select {
		case <-stop:
			return accepted
		default:
		}
		name := fmt.Sprintf("stranger-%d:%d", chance.IntN(1<<30), chance.IntN(1<<30))
		if g, err := post(ctx, client, "http://"+addr+"/channels/"+name, strings.Repeat(name, 8)); err != nil {
			pause(ctx, 10*time.Millisecond) // the server was killed
		} else if g.status == http.StatusOK {
			accepted++
		}
	}
	return accepted
}

// A quiet channel has had one publication, with a key, before everything else.
type quietChannel struct {
	url, epoch string
	offset     uint64
}

const quiets = 20

func publishQuiet(ctx context.Context, t *testing.T, addr string) (all []quietChannel) {
	for i := range quiets {
		q := quietChannel{url: fmt.Sprintf("http://%s/channels/room:quiet-%d", addr, i)}
		g, err := post(ctx, http.DefaultClient, q.url, q.key())
		if err != nil || g.status != http.StatusOK {
			t.Fatalf("%s: %+v, %v", q.url, g, err)
		}
		q.epoch, q.offset = g.Epoch, g.Offset
		all = append(all, q)
	}
	return all
}

func (q quietChannel) key() string { return "once-in-" + q.url[strings.LastIndex(q.url, "/")+1:] }

// check wants the publication to be there, and its key to be known.
func (q quietChannel) check(ctx context.Context, t *testing.T) {
	q.read(ctx, t)
	g, err := post(ctx, http.DefaultClient, q.url, q.key())
	if err != nil || g.status != http.StatusOK || g.Epoch != q.epoch || g.Offset != q.offset {
		t.Errorf("%s: the key again: %+v, %v, want %s:%d", q.url, g, err, q.epoch, q.offset)
	}
}

// read asks for what came after the publication, which is nothing: a gap would be false. The
// publication itself is still there.
func (q quietChannel) read(ctx context.Context, t *testing.T) {
	for since, want := range map[uint64]int{q.offset: 0, 0: 1} {
		var answer history
		get(ctx, t, fmt.Sprintf("%s?since=%s:%d", q.url, q.epoch, since), &answer)
		if answer.Gap != nil || len(answer.Publications) != want || answer.Epoch != q.epoch {
			t.Errorf("%s since %d: %+v, want %d publications, epoch %s and no gap", q.url, since, answer, want, q.epoch)
		}
	}
}

// A history is the answer to a request for one.
type history struct {
	Epoch        string
	Publications []publication
	Gap          *gap
}

func (h history) String() string {
	return fmt.Sprintf("epoch %s, gap %+v: %s", h.Epoch, h.Gap, show(h.Publications))
}

func get(ctx context.Context, t *testing.T, url string, answer any) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, answer)
	}
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %s, %v", url, response.StatusCode, body, err)
	}
}
