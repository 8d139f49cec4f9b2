package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// Issue 14 §12: the calls of a client end with its connection, also if so many wait that the
// connection is not read; and those that wait are not made.
func TestCallsOfAFloodEnd(t *testing.T) {
	t.Parallel()
	const asked = 10 * maru.MaxCalls
	var calls atomic.Int32
	entered, ended := make(chan struct{}, asked), make(chan struct{}, asked)
	w := newWorld(t, server.Options{RPC: func(ctx context.Context, _ server.Caller, _ string, _ json.RawMessage) (json.RawMessage, error) {
		calls.Add(1)
		entered <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return nil, nil
	}})
	s := w.dialFull()
	var flood strings.Builder
	for i := range asked {
		flood.Write(frame.AppendMasked(nil, frame.Text, false, frame.NewMaskKey(), fmt.Appendf(nil, `{"id":%d,"rpc":{"method":"m"}}`, i+2)))
	}
	if _, err := s.nc.Write([]byte(flood.String())); err != nil {
		t.Fatal(err)
	}
	for range maru.MaxCalls {
		<-entered
	}
	s.nc.(*net.TCPConn).SetLinger(0) // as if it had crashed
	s.nc.Close()
	for range maru.MaxCalls {
		<-ended
	}
	w.shutdown()
	if n := calls.Load(); n != maru.MaxCalls {
		t.Errorf("%d calls, want %d", n, maru.MaxCalls)
	}
}
