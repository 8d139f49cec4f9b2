package interop_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// A client is who its token says, its session's cookie, or nobody. A token that is not valid is
// refused with a code, and the client does not try again.
func TestSocketIOAuth(t *testing.T) {
	t.Parallel()
	key, otherKey := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "key")
	for path, letter := range map[string]string{key: "k", otherKey: "o"} {
		if err := os.WriteFile(path, []byte(strings.Repeat(letter, 32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := program.Serve(t, maruPath, "--token-key", key)
	token := func(key string) string {
		out, err := exec.Command(maruPath, "token", "--user", "kim", "--key", key).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(out))
	}
	signedIn, err := http.Post(server.URL+"/session", "application/json", strings.NewReader(`{"nickname":"lee"}`))
	if err != nil || signedIn.StatusCode != http.StatusCreated || len(signedIn.Cookies()) != 1 {
		t.Fatal(signedIn, err)
	}
	signedIn.Body.Close()
	cookie := signedIn.Cookies()[0]
	const refused = `["connect_error","the token is not valid`
	for name, c := range map[string]struct{ options, want string }{
		"a token":        {fmt.Sprintf(`{"auth":{"token":%q}}`, token(key)), `"users":[{"user":"kim","connections":1}]`},
		"a session":      {fmt.Sprintf(`{"extraHeaders":{"Cookie":"%s=%s"}}`, cookie.Name, cookie.Value), `"users":[{"user":"lee","connections":1}]`},
		"nobody":         {`{"auth":{"secret":"0123456789abcdef"}}`, `"anonymous":1`},
		"a bad token":    {`{"auth":{"token":"bad"}}`, refused},
		"of another key": {fmt.Sprintf(`{"auth":{"token":%q}}`, token(otherKey)), refused},
		"a short secret": {`{"auth":{"secret":"short"}}`, `["connect_error","`},
		"not a token":    {`{"auth":{"token":5}}`, `["connect_error","`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startSocketIO(t, server.URL, c.options)
			if strings.HasPrefix(c.want, "[") {
				if line := s.wants(c.want); !strings.Contains(line, `,{"code":"`) || !strings.HasSuffix(line, ",false]") {
					t.Errorf("got %s, want data with a code, and no other attempt", line)
				}
				return
			}
			channel := "auth:" + strings.ReplaceAll(name, " ", "-")
			s.emits(fmt.Sprintf(`["subscribe",%q]`, channel), fmt.Sprintf(`["presence",%q]`, channel))
			if line := s.wants(`["ack presence",`); !strings.Contains(line, c.want) {
				t.Errorf("got %s, want %s", line, c.want)
			}
		})
	}
}

// A client that subscribes again with the position of its last message, unless it was recovered,
// gets every message once and in order: when its network breaks, and when the server is killed.
func TestSocketIOFollows(t *testing.T) {
	t.Parallel()
	for name, options := range socketIOWays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := program.Serve(t, maruPath, "--data", dir)
			relay := program.NewRelay(t, server.Addr)
			next, read := 0, 0
			say := func(n int) {
				for range n {
					publish(t, server.URL+"/channels/chat", "text/plain", fmt.Sprint(next))
					next++
				}
			}
			s := startSocketIO(t, "http://"+relay.Addr, `{"follow":"chat",`+options[1:])
			reads := func() {
				for ; read < next; read++ {
					s.wantsMessage("chat", read)
				}
			}
			s.wants(`["following",`)
			for range 2 {
				say(10)
				reads()
				relay.Cut()
				say(10)
				s.wants(`["disconnect","transport `)
				relay.Mend()
				if line := s.wants(`["connect",`); !strings.HasSuffix(line, ",true]") {
					t.Errorf("not recovered: %s", line)
				}
				reads()
				say(10) // some of them are on the way when it is killed
				server.Kill(t)
				server = program.Serve(t, maruPath, "--data", dir, "--listen", server.Addr)
				say(10)
				reads()
			}
			s.emits(`["history","chat",{"limit":1}]`)
			s.wants(`["ack history",`) // and no more messages before it
		})
	}
}

// A payload of 2 MB arrives where it may; else the connection ends, and the client is notified why.
func TestSocketIOLargePayload(t *testing.T) {
	t.Parallel()
	large, small := program.Serve(t, maruPath, "--max-message", "4MiB", "--backlog", "8MiB"), program.Serve(t, maruPath)
	for name, c := range map[string]struct{ options, reason, closed string }{
		"polling":   {`{"transports":["polling"]}`, "transport error", ",413]"},
		"WebSocket": {`{"transports":["websocket"]}`, "transport close", ",1009]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			channel := "large:" + name
			s := startSocketIO(t, large.URL, c.options)
			s.emits(fmt.Sprintf(`["subscribe",%q]`, channel), fmt.Sprintf(`["publish",%q,{"characters":2000000}]`, channel))
			s.wants(fmt.Sprintf(`["message",%q,{"characters":2000000},"`, channel))
			s.wants(fmt.Sprintf(`["ack publish",{"channel":%q,`, channel))

			s = startSocketIO(t, small.URL, c.options)
			s.wants(`["connect",`)
			s.emits(fmt.Sprintf(`["publish",%q,{"characters":2000000}]`, channel))
			s.wants(fmt.Sprintf(`["disconnect",%q,true]`, c.reason))
			if line := s.wants(`["closed",`); !strings.HasSuffix(line, c.closed) {
				t.Errorf("got %s, want %s", line, c.closed)
			}
			s.wants(`["connect",`) // and goes on without it
		})
	}
}

// npm socket.io-client 2 speaks an older protocol, and is refused with a message.
func TestSocketIOOldClient(t *testing.T) {
	t.Parallel()
	server := program.Serve(t, maruPath)
	for transport, want := range map[string]string{
		"polling":   `["connect_error","xhr poll error","400"]`,
		"websocket": `["connect_error","websocket error","Unexpected server response: 400"]`,
	} {
		p := program.Start(t, "node", "socketio2.mjs", server.URL, fmt.Sprintf(`{"transports":[%q]}`, transport))
		if line := p.Stdout.Next(t); line != want {
			t.Errorf("%s: %s, want %s", transport, line, want)
		}
		if answer := curl(t, server.URL+"/socket.io/?EIO=3&transport="+transport); !strings.Contains(answer, "socket.io-client 3 and later") {
			t.Errorf("%s: refused with %s", transport, answer)
		}
	}
}
