package session

import (
	"context"
	"encoding/json"
	"time"

	"maru.example/maru"
)

type rpc struct {
	Method string          `json:"method"`
	Data   json.RawMessage `json:"data"`
}

type answered struct {
	Data json.RawMessage `json:"data,omitempty"`
}

// rpcTimeout is what the program that answers has.
const rpcTimeout = 30 * time.Second

// rpc asks the program that embeds the server. Each has a goroutine: they may take
// long, and nothing waits for them.
func (s *Session) rpc(c *command, who Identity) {
	if s.options.RPC == nil {
		s.fail(c, maru.NewError(maru.CodeNotFound, "nobody answers this method"))
		return
	}
	s.begin()
	go func() {
		defer s.done()
		ctx, cancel := context.WithTimeout(context.Background(), rpcTimeout)
		defer cancel()
		data, err := s.options.RPC(ctx, who, c.RPC.Method, c.RPC.Data)
		if err != nil {
			s.fail(c, err)
			return
		}
		s.answer(c, reply{RPC: &answered{data}})
	}()
}
