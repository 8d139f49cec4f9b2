package oracle

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"maru.example/maru/ws"
)

type publication struct {
	Offset      uint64
	Event, Data string
}

// dial opens a socket whose messages wait until they are taken, so that a follower that does
// not take them is a slow reader.
func dial(ctx context.Context, url string, subprotocols ...string) (send func(string), messages chan string, gone chan error, err error) {
	messages, gone = make(chan string), make(chan error, 1)
	c, err := ws.Dial(ctx, url, ws.DialOptions{
		Subprotocols: subprotocols, Goroutines: true, Inline: true,
		OnMessage: func(_ *ws.Conn, m ws.Message) {
			select {
			case messages <- m.String():
			case <-ctx.Done():
			}
		},
		OnClose: func(_ *ws.Conn, code int, reason string) { gone <- fmt.Errorf("%d %s", code, reason) },
	})
	if err != nil {
		return nil, nil, nil, err
	}
	context.AfterFunc(ctx, c.Terminate)
	return func(text string) { c.SendText(text) }, messages, gone, nil
}

func readFull(ctx context.Context, f *follower) error {
	send, messages, gone, err := dial(ctx, "ws://"+f.addr+"/", "maru.v1")
	if err != nil {
		return err
	}
	send(`{"id":1,"connect":{}}`)
	send(fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q,"since":%q}}`, f.channel, f.since()))
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-gone:
			return err
		case text := <-messages:
			var m struct {
				Error     *struct{ Code string }
				Subscribe *struct {
					Epoch  string
					Offset uint64
					Gap    *gap
				}
				Publication *publication
			}
			if err := json.Unmarshal([]byte(text), &m); err != nil {
				return err
			}
			switch {
			case m.Error != nil:
				f.refused(m.Error.Code, text)
				return fmt.Errorf("%s", text)
			case m.Subscribe != nil:
				f.sawGap(m.Subscribe.Gap)
				f.at(m.Subscribe.Epoch, m.Subscribe.Offset)
				if f.done() {
					return errDone
				}
			case m.Publication != nil:
				if err := f.see(ctx, *m.Publication); err != nil {
					return err
				}
			}
		}
	}
}

func readSocket(ctx context.Context, f *follower) error {
	if f.epoch == "" { // it has no other way to get the epoch
		return poll(ctx, f, "limit=1")
	}
	_, messages, gone, err := dial(ctx, "ws://"+f.addr+"/channels/"+f.channel+"?as=publication&since="+f.since())
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-gone:
			if strings.HasPrefix(err.Error(), "4410") {
				return poll(ctx, f, "limit=1") // which reports the gap
			}
			return err
		case text := <-messages:
			var p publication
			if err := json.Unmarshal([]byte(text), &p); err != nil {
				return err
			}
			if err := f.see(ctx, p); err != nil {
				return err
			}
		}
	}
}

func readEvents(ctx context.Context, f *follower) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.addr+"/channels/"+f.channel+"?since="+f.since(), nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var id, event string
	var data []string
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			data = append(data, value)
		}
		if name != "" || lines.Text() != "" {
			continue
		}
		epoch, offset := split(id)
		switch {
		case event == "gap":
			g := new(gap)
			if err := json.Unmarshal([]byte(strings.Join(data, "\n")), g); err != nil {
				return err
			}
			f.sawGap(g)
			f.offset = max(f.offset, g.To)
		case event == "position":
			f.at(epoch, max(offset, f.offset))
		case event == "refused", event == "closed": // the stream ends
		case len(data) > 0:
			f.epoch = epoch
			if err := f.see(ctx, publication{offset, event, strings.Join(data, "\n")}); err != nil {
				return err
			}
		case epoch != "":
			f.at(epoch, max(offset, f.offset))
		}
		event, data = "", nil
	}
	if lines.Err() != nil {
		return lines.Err()
	}
	return fmt.Errorf("the stream has ended, status %d", answer.StatusCode)
}

func readPoll(ctx context.Context, f *follower) error {
	for {
		if err := poll(ctx, f, "limit=50&wait=2s"); err != nil {
			return err
		}
	}
}

// poll asks once.
func poll(ctx context.Context, f *follower, query string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.addr+"/channels/"+f.channel+"?since="+f.since()+"&"+query, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(answer.Body)
		code, _ := codeOf(body)
		f.refused(code, string(body))
		return fmt.Errorf("status %d %s", answer.StatusCode, code)
	}
	var h history
	if err := json.NewDecoder(answer.Body).Decode(&h); err != nil {
		return err
	}
	f.sawGap(h.Gap)
	f.at(h.Epoch, f.offset)
	if h.Gap != nil {
		f.offset = max(f.offset, h.Gap.To)
	}
	for _, p := range h.Publications {
		if err := f.see(ctx, p); err != nil {
			return err
		}
	}
	if f.done() {
		return errDone
	}
	return nil
}
