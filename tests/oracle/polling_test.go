package oracle

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// readSocketIOPolls is readSocketIO by long polling. Each request of a session goes to one of the
// servers, by chance, as behind a balancer without sticky sessions.
func readSocketIOPolls(ctx context.Context, f *follower) error {
	text, err := f.exchange(ctx, f.addr, "", nil)
	if err != nil {
		return err
	}
	var session struct{ SID string }
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "0")), &session); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	for query := "&sid=" + session.SID; ; {
		for packet := range strings.SplitSeq(text, "\x1e") {
			var failed error
			err := f.socketIO(ctx, packet, func(answer string) {
				_, failed = f.exchange(ctx, f.anywhere(), query, strings.NewReader(answer))
			})
			if err = cmp.Or(err, failed); err != nil {
				return err
			}
		}
		if text, err = f.exchange(ctx, f.anywhere(), query, nil); err != nil {
			return err
		}
	}
}

func (f *follower) anywhere() string { return f.addrs[f.chance.IntN(len(f.addrs))] }

// exchange is one request of Engine.IO: a poll, or a POST of packets.
func (f *follower) exchange(ctx context.Context, addr, query string, packets io.Reader) (string, error) {
	method := http.MethodGet
	if packets != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+addr+"/socket.io/?EIO=4&transport=polling"+query, packets)
	if err != nil {
		return "", err
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", answer.StatusCode, body)
	}
	return string(body), err
}
