package hub_test

import (
	"context"
	"encoding/json"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

const epoch = "e1"

// broker retains everything.
type broker struct {
	sink      maru.Sink
	onHistory func() // called after history was read, before it is answered
	gap       *maru.Gap
	fails     error

	mu     sync.Mutex
	number uint64
	kept   map[string][]*maru.Publication
}

func (b *broker) Submit(channel string, p *maru.Publication, o maru.PublishOptions, done func(maru.Published, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.number++
	p.Offset = b.number
	at := maru.Position{Epoch: epoch, Offset: p.Offset}
	b.kept[channel] = append(b.kept[channel], p)
	b.sink(channel, at, p)
	done(maru.Published{Position: at}, nil)
}

func (b *broker) History(_ context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if b.onHistory != nil {
		defer b.onHistory()
	}
	if b.fails != nil {
		return maru.History{}, b.fails
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := maru.History{Epoch: epoch, Gap: b.gap}
	kept := b.kept[channel]
	if len(kept) > 0 {
		h.Head = kept[len(kept)-1].Offset
	}
	if q.Since != nil {
		i, found := slices.BinarySearchFunc(kept, q.Since.Offset, func(p *maru.Publication, offset uint64) int {
			return int(p.Offset) - int(offset)
		})
		if found {
			i++
		}
		h.Publications = slices.Clone(kept[i:])
	} else if h.Publications = slices.Clone(kept); q.Limit >= 0 {
		h.Publications = h.Publications[max(0, len(kept)-q.Limit):]
	}
	return h, nil
}

func (b *broker) Close() error { return nil }

// world is a hub with a broker and an engine over pipes; everything in it is
// the bubble's own.
type world struct {
	t      *testing.T
	engine *loop.Engine
	far    *loop.Engine // of the clients
	broker *broker
	hub    *hub.Hub
}

func newWorld(t *testing.T, o hub.Options) *world {
	w := openWorld(t, o)
	t.Cleanup(w.close)
	return w
}

// openWorld is newWorld for callers that call close, within the bubble.
func openWorld(t *testing.T, o hub.Options) *world {
	w := &world{
		t:      t,
		engine: loop.New(loop.Options{Goroutines: true, Loops: 2}),
		far:    loop.New(loop.Options{Goroutines: true, Loops: 1}),
		broker: &broker{kept: make(map[string][]*maru.Publication)},
	}
	o.Engine = w.engine
	w.hub = hub.New(o, func(sink maru.Sink) maru.Broker {
		w.broker.sink = sink
		return w.broker
	})
	for _, f := range forms {
		w.hub.Register(f)
	}
	return w
}

// The forms of every world.
const (
	bare        hub.FormID = iota // the data alone
	publication                   // the publication as JSON
	full                          // with changes of presence
)

var forms = []hub.Form{
	{Name: "bare", Publication: func(_, _ string, p *maru.Publication) *loop.Message {
		if p.Kind == maru.Binary {
			return loop.NewKeyedMessage(frame.Binary, p.Data, p.Key)
		}
		return loop.NewKeyedMessage(frame.Text, p.Data, p.Key)
	}},
	{Name: "publication", Publication: func(_, _ string, p *maru.Publication) *loop.Message {
		return loop.NewKeyedMessage(frame.Text, p.AppendJSON(nil), p.Key)
	}},
	{
		Name: "full",
		Publication: func(channel, epoch string, p *maru.Publication) *loop.Message {
			return loop.NewKeyedMessage(frame.Text, []byte(channel+" "+epoch+" "+string(p.Data)), p.Key)
		},
		PresenceChange: func(channel string, c maru.PresenceChange) *loop.Message {
			text, err := json.Marshal(map[string]any{"channel": channel, "presence": map[string]any{
				"version": c.Version, "prev": c.Prev, "joined": c.Joined, "left": c.Left, "count": c.Count, "anonymous": c.Anonymous,
			}})
			if err != nil {
				panic(err)
			}
			return loop.NewMessage(frame.Text, text)
		},
	},
}

// join subscribes a socket to publications from now on.
func join(c *hub.Channel, s hub.Socket) {
	j, _ := c.Join(context.Background(), s.Mode, nil) // without a history it cannot fail
	if err := j.Attach(context.Background(), s, nil); err != nil {
		panic(err)
	}
}

// joinFrom subscribes a socket with a history.
func joinFrom(ctx context.Context, c *hub.Channel, s hub.Socket, q maru.HistoryQuery) error {
	j, err := c.Join(ctx, s.Mode, &q)
	if err != nil {
		return err
	}
	return j.Attach(ctx, s, nil)
}

// close ends it.
func (w *world) close() {
	w.hub.Close()
	w.engine.Shutdown(context.Background(), 1001, "")
	w.far.Shutdown(context.Background(), 1001, "")
}

func (w *world) publish(channel, text string) maru.Position {
	at, err := maru.Publish(w.t.Context(), w.broker, channel, &maru.Publication{Data: []byte(text)}, maru.PublishOptions{})
	if err != nil {
		w.t.Fatal(err)
	}
	return at.Position
}

// client is the far end of a socket.
type client struct {
	near loop.Conn

	mu   sync.Mutex
	got  []string
	kind []frame.Opcode
}

func (c *client) Message(op frame.Opcode, data []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, string(data))
	c.kind = append(c.kind, op)
}

func (c *client) Closed(int, string, error) {}

func (c *client) messages() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

type nobody struct{}

func (nobody) Message(frame.Opcode, []byte) {}
func (nobody) Closed(int, string, error)    {}

// connect opens a socket that is in no channel yet.
func (w *world) connect() *client {
	near, far := net.Pipe()
	c := new(client)
	var err error
	c.near, err = w.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return nobody{} })
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.far.Open(far, nil, loop.Params{Client: true}, func(loop.Conn) loop.Handler { return c }); err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (c *client) socket(f hub.FormID) hub.Socket { return hub.Socket{Conn: c.near, Form: f} }

func numbers(from, to int) []string {
	var s []string
	for i := from; i <= to; i++ {
		s = append(s, strconv.Itoa(i))
	}
	return s
}
