package sse

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/gateway"
)

// servePresence streams the presence of a channel: at once, then at each change, at most once a
// second. Its client is not counted as present. Errors: 403 not_allowed,
// 503 unavailable. Errors that may pass are answered by later.
func (s *streams) servePresence(w http.ResponseWriter, r *http.Request, channel string) {
	s.serve(w, r, s.presence, channel, []auth.Action{auth.Presence},
		func(ctx context.Context, _ *gateway.Response, secret string) (feed, func(), error) {
			watch := s.presence.Hub.Watch(channel)
			if err := watch.Await(ctx); err != nil {
				watch.Close()
				return nil, nil, err
			}
			begun := false
			next := func(ctx context.Context, dst []byte) ([]byte, error) {
				presence, err := watch.Next(ctx)
				if err != nil {
					return dst, err
				}
				var data bytes.Buffer
				encoder := json.NewEncoder(&data)
				encoder.SetEscapeHTML(false)
				if err := encoder.Encode(presence); err != nil {
					return dst, err
				}
				text := bytes.TrimRight(data.Bytes(), "\n")
				if begun {
					return appendData(dst, text), nil
				}
				begun = true
				first := appendRetry(nil, retry(0))
				if secret != "" {
					first = appendID(first, maru.Position{}, secret) // presence has no positions
				}
				return append(dst, padded(appendData(first, text), firstBytes)...), nil
			}
			return next, watch.Close, nil
		})
}
