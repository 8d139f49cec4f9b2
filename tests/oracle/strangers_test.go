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

// tokenKey makes and verifies tokens.
const tokenKey = "the oracle has no secrets from itself"

// config lists the namespace of the test. Everybody may do everything, also in namespaces that
// are not listed.
func config(t *testing.T) string {
	dir := t.TempDir()
	anyone := "subscribe = \"anyone\"\npublish = \"anyone\"\nhistory = \"anyone\"\npresence = \"anyone\"\n"
	text := fmt.Sprintf("token-key = [%q]\n[namespaces.default]\n%s[namespaces.room]\n%[2]s", dir+"/token.key", anyone)
	for name, content := range map[string]string{"maru.toml": text, "token.key": tokenKey} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "maru.toml")
}

// flood publishes in ever new namespaces, each time with an idempotency key of its own, until
// stop. Whatever it does must not harm the namespace that is listed.
func flood(ctx context.Context, at pick, chance *rand.Rand, pace time.Duration, stop chan struct{}) (accepted int) {
	client := newClient()
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		select {
		case <-stop:
			return accepted
		default:
		}
		name := fmt.Sprintf("stranger-%d:%d", chance.IntN(1<<30), chance.IntN(1<<30))
		if g, err := post(ctx, client, "http://"+at()+"/channels/"+name, strings.Repeat(name, 8)); err != nil {
			pause(ctx, 10*time.Millisecond) // the server was killed
		} else if g.status == http.StatusOK {
			accepted++
			if pace > 0 {
				pause(ctx, pace)
			}
		}
	}
	return accepted
}

// A quiet channel has had one publication, with a key, before everything else.
type quietChannel struct {
	path, epoch string
	offset      uint64
}

const quiets = 20

func publishQuiet(ctx context.Context, t *testing.T, addr string) (all []quietChannel) {
	for i := range quiets {
		q := quietChannel{path: fmt.Sprint("/channels/room:quiet-", i)}
		g, err := post(ctx, asking, "http://"+addr+q.path, q.key())
		if err != nil || g.status != http.StatusOK {
			t.Fatalf("%s: %+v, %v", q.path, g, err)
		}
		q.epoch, q.offset = g.Epoch, g.Offset
		all = append(all, q)
	}
	return all
}

func (q quietChannel) key() string { return "once-in-" + q.path[strings.LastIndex(q.path, "/")+1:] }

// check wants the publication to be there, and its key to be known.
func (q quietChannel) check(s *scene, at pick) {
	s.t.Helper()
	q.read(s, at)
	g := s.answered(q.path, func() (given, error) { return post(s.ctx, asking, "http://"+at()+q.path, q.key()) })
	if g.Epoch != q.epoch || g.Offset != q.offset {
		s.t.Errorf("%s: the key again: %+v, want %s:%d", q.path, g, q.epoch, q.offset)
	}
}

// read asks for what came after the publication, which is nothing: a gap would be false. The
// publication itself is still there.
func (q quietChannel) read(s *scene, at pick) {
	s.t.Helper()
	for since, want := range map[uint64]int{q.offset: 0, 0: 1} {
		var answer history
		s.get(at, fmt.Sprintf("%s?since=%s:%d", q.path, q.epoch, since), &answer)
		if answer.Gap != nil || len(answer.Publications) != want || answer.Epoch != q.epoch {
			s.t.Errorf("%s since %d: %+v, want %d publications, epoch %s and no gap", q.path, since, answer, want, q.epoch)
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

// asking is the client of all but publishers, with the same patience.
var asking = newClient()

// get reads JSON.
func get(ctx context.Context, address string, answer any) (g given, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return g, err
	}
	r.Header.Set("Accept", "application/json")
	response, err := asking.Do(r)
	if err != nil {
		return g, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if g.status = response.StatusCode; err != nil {
		return g, err
	}
	if g.status != http.StatusOK {
		g.code, err = codeOf(body)
		return g, err
	}
	return g, json.Unmarshal(body, answer)
}
