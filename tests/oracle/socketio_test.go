package oracle

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// A resumption is what a Socket.IO client sends when it comes back: the id of its session, and the
// last argument of the last event. Without an id there is nothing to come back to.
type resumption struct{ pid, offset string }

func (r resumption) String() string {
	switch {
	case r.pid == "":
		return ""
	case r.offset == "":
		return fmt.Sprintf(`{"pid":%q}`, r.pid)
	default:
		return fmt.Sprintf(`{"pid":%q,"offset":%q}`, r.pid, r.offset)
	}
}

// readSocketIO reads as socket.io-client does over a WebSocket. Where the server has kept the session
// it goes on, and else it subscribes from the position.
func readSocketIO(ctx context.Context, f *follower) error {
	send, messages, gone, err := dial(ctx, "ws://"+f.addr+"/socket.io/?EIO=4&transport=websocket")
	if err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-gone:
			return err
		case text := <-messages:
			if err := f.socketIO(ctx, text, send); err != nil {
				return err
			}
		}
	}
}

// socketIO handles one packet of Engine.IO.
func (f *follower) socketIO(ctx context.Context, text string, send func(string)) error {
	content := func(kind string) string { return strings.TrimPrefix(text, kind) }
	switch kind := text[:min(2, len(text))]; {
	case kind == "0{": // the handshake
		send("40" + f.resume.String())
	case text == "2": // a heartbeat
		send("3")
	case kind == "40":
		return f.socketIOConnected(content("40"), send)
	case kind == "43":
		return f.socketIOSubscribed(content("431"))
	case kind == "42":
		return f.socketIOEvent(ctx, content("42"))
	default: // the end of the session, or of the connection
		return fmt.Errorf("%s", text)
	}
	return nil
}

// socketIOConnected subscribes, unless the session goes on.
func (f *follower) socketIOConnected(text string, send func(string)) error {
	var m struct{ PID string }
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return err
	}
	if m.PID == f.resume.pid {
		f.resumed++
		if f.done() {
			return errDone
		}
		return nil
	}
	f.resume, f.pid = resumption{}, m.PID
	send(fmt.Sprintf(`421["subscribe",%q,{"since":%q}]`, f.channel, f.since()))
	return nil
}

func (f *follower) socketIOSubscribed(text string) error {
	var acks []struct {
		Position string
		Gap      *gap
		Error    *struct{ Code string }
	}
	if err := json.Unmarshal([]byte(text), &acks); err != nil {
		return err
	}
	ack := acks[0]
	if ack.Error != nil {
		f.refused(ack.Error.Code, fmt.Sprintf("%s, after the session %q", text, f.pid))
		return fmt.Errorf("%s", text)
	}
	epoch, offset := split(ack.Position)
	f.sawGap(ack.Gap)
	f.at(epoch, offset)
	f.resume = resumption{f.pid, ""}
	if f.done() {
		return errDone
	}
	return nil
}

func (f *follower) socketIOEvent(ctx context.Context, text string) error {
	var arguments []json.RawMessage
	if err := json.Unmarshal([]byte(text), &arguments); err != nil {
		return err
	}
	words := make([]string, len(arguments))
	for i, argument := range arguments {
		json.Unmarshal(argument, &words[i]) // what is no string stays empty
	}
	switch {
	case len(words) < 4 || words[1] != f.channel: // the event error, for example
		return fmt.Errorf("%s", text)
	case words[0] == "message":
		words[0] = ""
	}
	_, offset := split(words[3])
	f.resume.offset = words[len(words)-1]
	return f.see(ctx, publication{offset, words[0], words[2]})
}

// split reads a position.
func split(position string) (epoch string, offset uint64) {
	epoch, number, _ := strings.Cut(position, ":")
	fmt.Sscan(number, &offset)
	return epoch, offset
}
