package sse

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/event"
)

// Presence streams who is subscribed to a channel: at once, then at each change,
// at most once a second. Who only watches is not present. Errors: 403 not_allowed; 503
// too_many_connections, shutting_down.
func (g *Gateway) Presence(w http.ResponseWriter, r *http.Request, channel string) {
	g.serve(w, r, entry.Connection{Transport: entry.PresenceEvents, Channel: channel}, []auth.Action{auth.Presence},
		func(context.Context, entry.Visitor) (feed, func(), error) {
			watch := g.hub.Watch(channel)
			begun := false
			next := func(ctx context.Context, dst []byte) ([]byte, error) {
				presence, err := watch.Next(ctx)
				if err != nil {
					return dst, err
				}
				if !begun {
					begun = true
					dst = event.AppendRetry(dst, retry)
				}
				var data bytes.Buffer
				encoder := json.NewEncoder(&data)
				encoder.SetEscapeHTML(false)
				if err := encoder.Encode(presence); err != nil {
					return dst, err
				}
				return event.AppendData(dst, bytes.TrimRight(data.Bytes(), "\n")), nil
			}
			return next, watch.Close, nil
		})
}
