package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A given is the answer to a publication.
type given struct {
	Epoch           string
	Offset          uint64
	status          int
	code            string // of an error
	replayed, stale bool
}

// newClient makes the client of one publisher. An answer takes at most ten seconds.
func newClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
}

// eventOf is the name of the event of a payload, so that it is known wherever the payload is: of one
// in three there is none.
func eventOf(payload string) string {
	sum := 0
	for _, c := range []byte(payload) {
		sum += int(c)
	}
	return [...]string{"", "price", "두 번째"}[sum%3]
}

// post publishes text. The payload is the idempotency key too, up to its first space.
func post(ctx context.Context, client *http.Client, address, payload string) (g given, err error) {
	if event := eventOf(payload); event != "" {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		address += separator + "event=" + url.QueryEscape(event)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader([]byte(payload)))
	if err != nil {
		return given{}, err
	}
	key, _, _ := strings.Cut(payload, " ")
	r.Header.Set("Content-Type", "text/plain")
	r.Header.Set("Idempotency-Key", key)
	answer, err := client.Do(r)
	if err != nil {
		return given{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return given{}, err
	}
	g.status, g.replayed, g.stale = answer.StatusCode, answer.Header.Get("Idempotent-Replay") != "", answer.Header.Get("Stale-Version") != ""
	if g.status == http.StatusOK {
		return g, json.Unmarshal(body, &g)
	}
	g.code, err = codeOf(body)
	return g, err
}

// codeOf returns the code of an error.
func codeOf(body []byte) (string, error) {
	var failed struct{ Error struct{ Code string } }
	err := json.Unmarshal(body, &failed)
	return failed.Error.Code, err
}

// publish publishes until stop, each message until it is acknowledged, and waits for pace after it.
func publish(ctx context.Context, t *testing.T, tr *truth, at pick, number int, pace time.Duration, stop chan struct{}) {
	client := newClient()
	defer client.CloseIdleConnections()
	var last [channels]uint64
	for i := 0; ctx.Err() == nil; i++ {
		select {
		case <-stop:
			return
		default:
		}
		payload, to := fmt.Sprintf("%d.%d", number, i), channel(number+i)
		for ctx.Err() == nil {
			began := time.Now()
			g, err := post(ctx, client, "http://"+at()+"/channels/"+to, payload)
			if err == nil {
				tr.took(time.Since(began))
			}
			if err == nil && g.status == http.StatusOK {
				tr.add(t, to, g.Epoch, g.Offset, payload)
				if n := (number + i) % channels; g.Offset <= last[n] {
					t.Errorf("%s went from %d to %d", to, last[n], g.Offset)
				} else {
					last[n] = g.Offset
				}
				break
			}
			if err == nil && !tr.refusals[g.code] {
				t.Errorf("POST: %d %s", g.status, g.code)
				return
			}
			pause(ctx, 10*time.Millisecond)
		}
		if pace > 0 {
			pause(ctx, pace)
		}
	}
}

// pause waits where there is no event to wait for.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
