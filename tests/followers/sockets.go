package followers

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"maru.example/maru/ws"
)

// dial connects a WebSocket again and again, and passes its messages on. wait is how long it waits before
// an attempt; the first one after a loss is 0.
func (f *Follower) dial(ctx context.Context, path func() string, wait func(attempt int) time.Duration, opened func(), message func(*ws.Conn, []byte)) {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		closed := make(chan struct{})
		c, err := ws.Dial(ctx, strings.Replace(f.URL, "http", "ws", 1)+path(), ws.DialOptions{
			Header:    f.Header,
			OnMessage: func(c *ws.Conn, m ws.Message) { message(c, m.Data) },
			OnClose:   func(*ws.Conn, int, string) { close(closed) },
			OnError:   func(*ws.Conn, error) {},
		})
		if err == nil {
			attempt = 0
			opened()
			select {
			case <-closed:
				f.lost()
			case <-ctx.Done():
				c.Terminate()
				<-closed
			}
		}
		pause(ctx, wait(attempt))
	}
}

// followRaw is a page that connects again as docs/protocol.md §6 advises, from its position.
func (f *Follower) followRaw(ctx context.Context) {
	var at uint64
	f.dial(ctx, func() string {
		path := f.path() + "?as=publication"
		if at > 0 && f.Recover {
			path += "&since=" + strconv.FormatUint(at, 10)
		}
		return path
	}, func(attempt int) time.Duration {
		return time.Duration(rand.Float64() * float64(min(20*time.Second, 500*time.Millisecond<<attempt)))
	}, f.back, func(_ *ws.Conn, data []byte) {
		var p struct {
			Offset uint64
			Data   string
		}
		if json.Unmarshal(data, &p) == nil && p.Offset > 0 {
			at = p.Offset
			f.take(p.Data)
		}
	})
}

// followSocketIO is a client of Socket.IO over a WebSocket alone, with the waits of socket.io-client. It
// does not ask for recovery, and subscribes with its position.
func (f *Follower) followSocketIO(ctx context.Context) {
	last := ""
	f.dial(ctx, func() string { return "/socket.io/?EIO=4&transport=websocket" }, func(attempt int) time.Duration {
		return min(5*time.Second, time.Duration((0.5+rand.Float64())*float64(time.Second<<attempt)))
	}, func() {}, func(c *ws.Conn, data []byte) {
		switch text := string(data); {
		case strings.HasPrefix(text, "0"): // open
			c.Send(ws.Text("40"))
		case strings.HasPrefix(text, "40"):
			options := "{}"
			if last != "" && f.Recover {
				options = `{"since":` + strconv.Quote(last) + `}`
			}
			c.Send(ws.Text(`421["subscribe",` + strconv.Quote(f.Channel) + `,` + options + `]`))
		case strings.HasPrefix(text, "431"):
			if f.back(); !strings.Contains(text, `"channel"`) || strings.Contains(text, `"gap":{`) {
				f.trouble(text)
			}
		case text == "2":
			c.Send(ws.Text("3"))
		case strings.HasPrefix(text, `42["message"`):
			var args []any
			if json.Unmarshal(data[2:], &args) == nil && len(args) == 4 {
				f.take(fmt.Sprint(args[2]))
				last = fmt.Sprint(args[3])
			}
		}
	})
}
