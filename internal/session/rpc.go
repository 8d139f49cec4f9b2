package session

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// RPC is a remote call, which the program that embeds the server answers. Errors: those of
// Connection.MayCall and of Options.RPC, CodeNotFound without it.
type RPC struct {
	Ref    uint64
	Method string
	Data   []byte // as the client sent it (in maru.v1: one JSON value); nil: none
}

// Answered is the reply to RPC. It may come after the replies to later commands.
type Answered struct{ Data []byte }

var errNoRPC = maru.NewError(maru.CodeNotFound, "this server has no methods: remote calls are not enabled")

// rpc has a goroutine for each call: calls may take long, and no command waits for them, except
// behind a call that is one too many.
func (s *Session) rpc(ctx context.Context, c RPC, who auth.Identity) {
	if s.options.RPC == nil {
		s.fail("rpc", "", c.Ref, errNoRPC)
		return
	}
	ctx, err := s.beginCall(ctx)
	if err == nil {
		if err = s.conn.MayCall(ctx, who, c.Method); err != nil { // asked after the wait for a place
			s.endCall()
		}
	}
	if err != nil {
		s.fail("rpc", "", c.Ref, err)
		return
	}
	go func() {
		defer s.endCall()
		data, err := s.options.RPC(ctx, who, c.Method, c.Data)
		if err != nil {
			s.fail("rpc", "", c.Ref, err)
			return
		}
		s.answer(c.Ref, Answered{data})
	}()
}
