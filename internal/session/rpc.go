package session

import (
	"context"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// RPC is a remote call, which the program that embeds the server answers. Errors: those
// of Options.RPC, CodeNotFound without it.
type RPC struct {
	Ref    uint64
	Method string
	Data   []byte // as the client sent it (in maru.v1: one JSON value); nil: none
}

// Answered is the reply to RPC. It may come after the replies to later commands.
type Answered struct{ Data []byte }

// rpcTimeout is how long Options.RPC may take.
const rpcTimeout = 30 * time.Second

var errNoRPC = maru.NewError(maru.CodeNotFound, "this server has no methods: remote calls are not enabled")

// rpc has a goroutine for each call: calls may take long, and no command waits for them.
func (s *Session) rpc(c RPC, who auth.Identity) {
	if s.options.RPC == nil {
		s.fail(c.Ref, errNoRPC)
		return
	}
	s.started()
	go func() {
		defer s.finished()
		ctx, cancel := context.WithTimeout(context.Background(), rpcTimeout)
		defer cancel()
		data, err := s.options.RPC(ctx, who, c.Method, c.Data)
		if err != nil {
			s.fail(c.Ref, err)
			return
		}
		s.answer(c.Ref, Answered{data})
	}()
}
