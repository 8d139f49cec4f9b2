package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// asking is a client whose request or message a hook decides about.
type asking struct {
	conn io.Closer
	// outcome waits for what became of it: the status of an answer, the code of an error or of a
	// close, or "ok".
	outcome func() string
}

// hooked is one way in which a hook is called.
type hooked struct {
	hook string        // "Identify", "Allow" or "RPC"
	do   server.Action // that Allow is called for
	ask  func(w *world) asking
	bad  string // the outcome when the hook fails
	good string // and when it does not
	body bool   // its end is not noticed before the body is read
}

// slowHTTP sends a request in HTTP/1.1 that ends with a blank line and maybe a body.
func slowHTTP(request string) func(w *world) asking {
	return func(w *world) asking {
		nc := w.connect()
		if _, err := fmt.Fprintf(nc, strings.ReplaceAll(request, "\n", "\r\n"), w.addr); err != nil {
			w.t.Error(err)
		}
		return asking{nc, func() string {
			answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				return err.Error()
			}
			if code, _ := refusal(answer); code != "" {
				return "refused " + string(code)
			}
			return fmt.Sprint(answer.StatusCode)
		}}
	}
}

// slowCommand sends a command with the id 2.
func slowCommand(command string) func(w *world) asking {
	return func(w *world) asking {
		s := w.dialFull()
		s.send(frame.Text, `{"id":2,`+command+`}`)
		return asking{s.nc, func() string {
			var reply struct{ Error struct{ Code string } }
			if err := json.Unmarshal(s.next().Payload, &reply); err != nil {
				return err.Error()
			}
			if reply.Error.Code != "" {
				return reply.Error.Code
			}
			return "ok"
		}}
	}
}

func slowMessage(w *world) asking {
	s := w.dial("/channels/slow")
	s.send(frame.Text, "x")
	return asking{s.nc, func() string {
		if ev := s.next(); ev.Op == frame.Close {
			return fmt.Sprint(ev.Code)
		}
		return "ok"
	}}
}

var everyHook = map[string]hooked{
	"websocket":           {"Allow", server.Subscribe, slowHTTP("GET /channels/slow HTTP/1.1\nHost: %s\n" + strings.ReplaceAll(upgrade, "\r", "") + "\n"), "500", "101", false},
	"raw publication":     {"Allow", server.Publish, slowMessage, "1011", "ok", false},
	"maru.v1 subscribe":   {"Allow", server.Subscribe, slowCommand(`"subscribe":{"channel":"slow"}`), "internal", "ok", false},
	"maru.v1 publish":     {"Allow", server.Publish, slowCommand(`"publish":{"channel":"slow","data":"x"}`), "internal", "ok", false},
	"maru.v1 history":     {"Allow", server.ReadHistory, slowCommand(`"history":{"channel":"slow"}`), "internal", "ok", false},
	"maru.v1 presence":    {"Allow", server.ReadPresence, slowCommand(`"presence":{"channel":"slow"}`), "internal", "ok", false},
	"maru.v1 rpc, Allow":  {"Allow", server.Call, slowCommand(`"rpc":{"method":"slow"}`), "internal", "ok", false},
	"maru.v1 rpc":         {"RPC", 0, slowCommand(`"rpc":{"method":"slow"}`), "internal", "ok", false},
	"event stream":        {"Allow", server.Subscribe, slowHTTP("GET /channels/slow HTTP/1.1\nHost: %s\nAccept: text/event-stream\n\n"), "refused internal", "200", false},
	"stream of presence":  {"Allow", server.ReadPresence, slowHTTP("GET /channels/slow/presence HTTP/1.1\nHost: %s\nAccept: text/event-stream\n\n"), "refused internal", "200", false},
	"poll":                {"Allow", server.ReadHistory, slowHTTP("GET /channels/slow?wait=1ms HTTP/1.1\nHost: %s\n\n"), "500", "200", false},
	"history":             {"Allow", server.ReadHistory, slowHTTP("GET /channels/slow HTTP/1.1\nHost: %s\n\n"), "500", "200", false},
	"presence":            {"Allow", server.ReadPresence, slowHTTP("GET /channels/slow/presence HTTP/1.1\nHost: %s\n\n"), "500", "200", false},
	"POST":                {"Allow", server.Publish, slowHTTP("POST /channels/slow HTTP/1.1\nHost: %s\nContent-Length: 1\n\nx"), "500", "200", true},
	"websocket, Identify": {"Identify", 0, slowHTTP("GET /channels/slow HTTP/1.1\nHost: %s\n" + strings.ReplaceAll(upgrade, "\r", "") + "\n"), "500", "101", false},
	"history, Identify":   {"Identify", 0, slowHTTP("GET /channels/slow HTTP/1.1\nHost: %s\n\n"), "500", "200", false},
	"stream, Identify":    {"Identify", 0, slowHTTP("GET /channels/slow HTTP/1.1\nHost: %s\nAccept: text/event-stream\n\n"), "refused internal", "200", false},
	"POST, Identify":      {"Identify", 0, slowHTTP("POST /channels/slow HTTP/1.1\nHost: %s\nContent-Length: 1\n\nx"), "500", "200", true},
}

// options have the hook of h, which calls do for the channel or method slow.
func (h hooked) options(do func(context.Context) error) (o server.Options) {
	o.RPC = func(ctx context.Context, _ server.Caller, method string, _ json.RawMessage) (json.RawMessage, error) {
		if h.hook == "RPC" {
			return nil, do(ctx)
		}
		return nil, nil
	}
	switch h.hook {
	case "Identify":
		o.Identify = func(r *http.Request, channel string) (server.Caller, error) {
			if channel == "slow" {
				return server.Caller{}, do(r.Context())
			}
			return server.Caller{}, nil
		}
	case "Allow":
		o.Allow = func(ctx context.Context, _ server.Caller, action server.Action, channel string) error {
			if channel == "slow" && action == h.do {
				return do(ctx)
			}
			return nil
		}
	}
	return o
}

// Issue 14 §12: a hook that waits holds up only its own connection.
func TestHooksMayWait(t *testing.T) {
	t.Parallel()
	for name, h := range everyHook {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, secure := range []bool{false, true} {
				entered, let := make(chan struct{}), make(chan struct{})
				o := h.options(func(context.Context) error {
					entered <- struct{}{}
					<-let
					return nil
				})
				if secure {
					o.TLSConfig = certified()
				}
				w := newWorld(t, o)
				strangers := make([]*socket, 6) // some on every loop
				for i := range strangers {
					strangers[i] = w.dial("/channels/fast")
				}
				slow := h.ask(w)
				<-entered
				for _, from := range strangers {
					from.send(frame.Text, "hello")
					for _, to := range strangers {
						if ev := to.next(); string(ev.Payload) != "hello" {
							t.Errorf("a stranger received %q", ev.Payload)
						}
					}
				}
				late := w.dial("/channels/fast") // nor are new connections held up
				late.nc.Close()
				close(let)
				if got := slow.outcome(); got != h.good {
					t.Errorf("it came to %s, want %s", got, h.good)
				}
			}
		})
	}
}

// Issue 14 §12: the context of a hook ends when its client goes.
func TestHookContext(t *testing.T) {
	t.Parallel()
	for name, h := range everyHook {
		if h.body {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, secure := range []bool{false, true} {
				entered, ended := make(chan struct{}), make(chan error, 1)
				o := h.options(func(ctx context.Context) error {
					if _, limited := ctx.Deadline(); !limited {
						t.Error("the context has no deadline")
					}
					entered <- struct{}{}
					<-ctx.Done()
					ended <- ctx.Err()
					return ctx.Err()
				})
				var log syncBuffer
				o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
				if secure {
					o.TLSConfig = certified()
				}
				w := newWorld(t, o)
				slow := h.ask(w)
				<-entered
				slow.conn.Close()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want %v", err, context.Canceled)
				}
				w.shutdown()
				if said := log.Bytes(); len(said) > 0 {
					t.Errorf("a client that goes is logged as a fault: %s", said)
				}
			}
		})
	}
}

// Issue 14 §13: a panic in a hook ends its request with internal, and nothing else. The log has
// the stack.
func TestHookPanics(t *testing.T) {
	t.Parallel()
	for name, h := range everyHook {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, secure := range []bool{false, true} {
				o := h.options(func(context.Context) error { panic("a mistake of the program") })
				var log syncBuffer
				o.Logger = slog.New(slog.NewTextHandler(&log, nil))
				if secure {
					o.TLSConfig = certified()
				}
				w := newWorld(t, o)
				if got := h.ask(w).outcome(); got != h.bad {
					t.Errorf("it came to %s, want %s", got, h.bad)
				}
				for _, want := range []string{"hook panicked", "hook=" + h.hook, "a mistake of the program", "hooks_test.go"} {
					if !contains(log.Bytes(), want) {
						t.Errorf("the log does not say %q: %s", want, log.Bytes())
					}
				}
				if got := w.request("POST", "/channels/fast", "x").StatusCode; got != 200 {
					t.Errorf("then the server answers %d", got)
				}
			}
		})
	}
}

// An error of a hook without a code reaches the log in full, and the client as internal.
func TestHookErrorsAreLogged(t *testing.T) {
	t.Parallel()
	for name, h := range everyHook {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := h.options(func(context.Context) error { return errors.New("the database is away") })
			var log syncBuffer
			o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelError}))
			w := newWorld(t, o)
			if got := h.ask(w).outcome(); got != h.bad {
				t.Errorf("it came to %s, want %s", got, h.bad)
			}
			if !contains(log.Bytes(), "the database is away") {
				t.Errorf("the log: %q", log.Bytes())
			}
		})
	}
}

// Publications of a raw connection keep their order where Allow waits, and those before a close
// are published.
func TestHookOrder(t *testing.T) {
	t.Parallel()
	const many = 200 // more than may be in progress
	w := newWorld(t, server.Options{Hooks: server.Hooks{
		Allow: func(context.Context, server.Caller, server.Action, string) error { return nil },
	}})
	reader, writer := w.dial("/channels/a"), w.dial("/channels/a")
	for i := range many {
		writer.send(frame.Text, fmt.Sprint(i))
	}
	payload, _ := frame.ClosePayload(1000, "")
	writer.send(frame.Close, string(payload))
	for i := range many {
		if ev := reader.next(); string(ev.Payload) != fmt.Sprint(i) {
			t.Fatalf("received %q, want %d", ev.Payload, i)
		}
	}
}

// A refused message closes its connection, and those behind it are not published.
func TestHookRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{Hooks: server.Hooks{
		Allow: func(_ context.Context, _ server.Caller, do server.Action, channel string) error {
			if do == server.Publish && channel == "a" {
				return maru.NewError(maru.CodeNotAllowed, "no")
			}
			return nil
		},
	}})
	s := w.dial("/channels/a")
	two := frame.AppendMasked(nil, frame.Text, false, frame.NewMaskKey(), []byte("first"))
	two = frame.AppendMasked(two, frame.Text, false, frame.NewMaskKey(), []byte("second"))
	if _, err := s.nc.Write(two); err != nil {
		t.Fatal(err)
	}
	if code, reason := s.closed(); code != maru.CodeNotAllowed.CloseCode() || reason != string(maru.CodeNotAllowed) {
		t.Errorf("closed with %d %s", code, reason)
	}
	if h, err := w.server.History(t.Context(), "a", maru.HistoryQuery{Limit: 1}); err != nil || h.Head != 0 {
		t.Errorf("published: head %d, %v", h.Head, err)
	}
}

// Shutdown waits for hooks in progress, whose contexts end, within its own time.
func TestShutdownWaitsForHooks(t *testing.T) {
	t.Parallel()
	for _, patient := range []bool{true, false} {
		entered, let := make(chan struct{}), make(chan struct{})
		ended := make(chan struct{})
		w := newWorld(t, server.Options{RPC: func(ctx context.Context, _ server.Caller, _ string, _ json.RawMessage) (json.RawMessage, error) {
			close(entered)
			<-ctx.Done()
			close(ended)
			<-let // it has something to finish
			return nil, nil
		}})
		w.cut = !patient
		caller := w.dialFull()
		caller.send(frame.Text, `{"id":2,"rpc":{"method":"m"}}`)
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.server.Shutdown(ctx) }()
		if !patient {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want %v", err, context.Canceled)
			}
			close(let)
			continue
		}
		caller.leaves() // the connection ends when the client has answered the close
		caller.nc.Close()
		<-ended
		select {
		case err := <-done:
			t.Errorf("Shutdown returned %v before the call", err)
		default:
		}
		close(let)
		if err := <-done; err != nil {
			t.Error(err)
		}
		cancel()
	}
}

// An answer of RPC that is no JSON is a fault of the program: the client gets internal, and the
// log says why.
func TestInvalidAnswer(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"{", "\"\xff\"", "1 2"} {
		var log syncBuffer
		w := newWorld(t, server.Options{
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
			RPC: func(context.Context, server.Caller, string, json.RawMessage) (json.RawMessage, error) {
				return json.RawMessage(answer), nil
			},
		})
		if got := slowCommand(`"rpc":{"method":"move"}`)(w).outcome(); got != "internal" {
			t.Errorf("%q came to %s, want internal", answer, got)
		}
		if !contains(log.Bytes(), "invalid JSON") || !contains(log.Bytes(), "command=rpc") {
			t.Errorf("the log: %s", log.Bytes())
		}
	}
}

// Issue 14 §12: rpc is an action of the rules, and has a rate.
func TestRPCRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{
		RPC: func(context.Context, server.Caller, string, json.RawMessage) (json.RawMessage, error) {
			return nil, nil
		},
		Access: server.Access{RPCRate: 0.001, Namespaces: map[string]server.Namespace{
			"default": {Subscribe: maru.Anyone}, "chess": {RPC: maru.Anyone}, "admin": {RPC: maru.ServerOnly},
		}},
	})
	for _, tt := range []struct{ method, want string }{
		{"chess:move", "ok"}, {"move", "not_allowed"}, {"admin:reset", "not_allowed"}, {"chess", "not_allowed"},
		{"chess:move", "rate_limited"}, // one in a thousand seconds
	} {
		if got := slowCommand(`"rpc":{"method":"` + tt.method + `"}`)(w).outcome(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.method, got, tt.want)
		}
	}
}
