package raw

import (
	"bytes"
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/loop"
)

// connection is one WebSocket in its channel, the engine's handler for it.
type connection struct{ gateway.Subscriber }

var errGap = maru.NewError(maru.CodeGap, "publications after since are no longer retained in full: read the rest by HTTP, docs/contract.md §4")

// enter joins the channel. A gap closes the connection before anything is sent, because the
// form cannot represent it.
func (c *connection) enter(ctx context.Context, a asked) error {
	var query *maru.HistoryQuery // nil: no history was asked for
	if a.query.Since != nil || a.query.Limit != 0 {
		query = &a.query
	}
	j, err := c.Join(ctx, a.mode, query)
	if err != nil {
		return err
	}
	if j.History.Gap != nil {
		j.Cancel()
		return errGap
	}
	return c.Attach(ctx, &j, nil)
}

// Message publishes what the client sent. After the server's close frame the client may send
// until it has answered; that is ignored.
func (c *connection) Message(op frame.Opcode, data []byte) {
	if !c.Conn().Open() {
		return
	}
	p := &maru.Publication{Kind: maru.Text, Data: bytes.Clone(data)}
	if op == frame.Binary {
		p.Kind = maru.Binary
	}
	c.Publish(p)
}

// Ended handles the end of the connection.
func (c *connection) Ended(end loop.End) { gateway.Ended(c, gateway.EndOf(end)) }
