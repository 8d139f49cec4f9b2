package loop_test

import (
	"errors"
	"strings"
	"testing"

	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// fullEars are ears that receive Ended.
type fullEars struct {
	*ears
	ends chan loop.End
}

func (e *fullEars) Ended(end loop.End) { e.ends <- end }

// Issue 15 §16: the end of a connection says whose doing it was and what waited, whatever the peer
// answers.
func TestEnd(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		do      func(r *rig, c loop.Conn, p *peer)
		want    loop.End // without Err, and what waits only as "something"
		cause   string   // in Err
		waiting bool
	}{
		"ours": {do: func(_ *rig, c loop.Conn, p *peer) {
			c.CloseFor(4501, "revoked", errors.New("by the back end"), text("the last word"))
			p.expect(frame.Text, "the last word")
			p.expectClose(4501, "revoked")
			p.sendClose(1000, "an answer of its own")
		}, want: loop.End{Code: 4501, Reason: "revoked"}, cause: "by the back end"},
		"ours, and no answer": {do: func(_ *rig, c loop.Conn, p *peer) {
			c.Close(1001, "shutting_down")
			p.expectClose(1001, "shutting_down")
			p.nc.Close()
		}, want: loop.End{Code: 1001, Reason: "shutting_down"}},
		"the peer's": {do: func(_ *rig, _ loop.Conn, p *peer) {
			p.sendClose(3000, "slow")
		}, want: loop.End{Code: 3000, Reason: "slow", ByPeer: true}},
		"a fault": {do: func(_ *rig, _ loop.Conn, p *peer) {
			p.write([]byte{0xff, 0xff})
			p.expectClose(1002, "bad_frame")
			p.nc.Close()
		}, want: loop.End{Code: 1002, Reason: "bad_frame"}, cause: "reserved bits"},
		"lost": {do: func(_ *rig, _ loop.Conn, p *peer) { p.nc.Close() }, want: loop.End{Code: 1006}, cause: "EOF"},
		"slow": {do: func(r *rig, c loop.Conn, p *peer) {
			until(r.t, "the connection is slow", func() bool {
				c.Send(text(strings.Repeat("x", 20_000)))
				return !c.Open()
			})
			for {
				if ev, err := p.event(); err != nil || ev.Op == frame.Close {
					break
				}
			}
			p.nc.Close()
		}, want: loop.End{Code: 1013, Reason: "slow"}, cause: "(bytes)", waiting: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everyDriver(t, func(t *testing.T, r *rig) {
				r.options.BacklogBytes, r.narrow = 100_000, true
				r.start()
				near, far := r.pair()
				e := &fullEars{newEars(), make(chan loop.End, 2)}
				c, err := r.engine.Open(near, nil, loop.Params{}, func(loop.Conn) loop.Handler { return e })
				if err != nil {
					t.Fatal(err)
				}
				tt.do(r, c, newPeer(t, far, loop.Params{}))
				got := await(t, e.ends)
				if waits := got.Bytes > 20_000 && got.Messages > 0; waits != tt.waiting || !waits && got.Bytes+got.Messages != 0 {
					t.Errorf("%d bytes in %d messages waited", got.Bytes, got.Messages)
				}
				if (got.Err == nil) != (tt.cause == "") || got.Err != nil && !strings.Contains(got.Err.Error(), tt.cause) {
					t.Errorf("the cause is %v", got.Err)
				}
				got.Err, got.Bytes, got.Messages = nil, 0, 0
				if got != tt.want {
					t.Errorf("got %+v, want %+v", got, tt.want)
				}
				if len(e.closed) != 0 {
					t.Error("Closed was called, too")
				}
			})
		})
	}
}
