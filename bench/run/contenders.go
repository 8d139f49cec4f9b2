package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// contender is a server to measure.
type contender struct {
	name     string
	about    string
	path     string                                               // of its WebSocket
	command  func(p programs, s scenario, listen string) []string // nil: not in this case
	greeting []string                                             // flags of maru bench: what a connection says first
	messages []string                                             // how messages are wrapped
}

func (c contender) called() string { return c.name }

// programs is the directory of what was built.
type programs string

func (p programs) file(name string) string { return filepath.Join(string(p), name) }

// limitName is the contender that others are seen against.
const limitName = "limit"

func contenders() []contender {
	return []contender{
		{name: "maru", about: "`maru serve`, a channel with history; `examples/echo` for echo", path: "/channels/bench", command: maruCommand},
		{name: limitName, about: "the limit: C, nothing but the system calls; with several on the way, 16 joined in each send", path: "/", command: limitCommand},
		goPeer("gorilla", "gorilla/websocket, writer goroutines, PreparedMessage"),
		goPeer("coder", "coder/websocket"),
		goPeer("gws", "lxzan/gws, Broadcaster"),
		goPeer("nbio", "lesismal/nbio, non-blocking"),
		goPeer("gobwas", "gobwas/ws, compiled frame"),
		{name: "ws", about: "npm ws", path: "/", command: nodePeer("ws")},
		{
			name: "socketio", about: "Socket.IO, WebSocket only", path: "/socket.io/?EIO=4&transport=websocket", command: nodePeer("socketio"),
			greeting: []string{"--first-message", "40", "--settle", "2s"},
			messages: []string{"--contains", "--message", `42["message","{payload}"]`},
		},
	}
}

func maruCommand(p programs, s scenario, listen string) []string {
	if s.mode == "echo" {
		return []string{p.file("echo"), "--listen", listen}
	}
	return []string{p.file("maru"), "serve", "--listen", listen}
}

func limitCommand(_ programs, s scenario, listen string) []string {
	mode := s.mode
	if s.joins {
		mode = "joined"
	}
	return []string{"limit/limit", "--listen", listen, "--mode", mode}
}

func goPeer(name, about string) contender {
	return contender{name: name, about: about, path: "/", command: func(p programs, s scenario, listen string) []string {
		return []string{p.file(name), "--listen", listen, "--mode", s.mode}
	}}
}

func nodePeer(name string) func(programs, scenario, string) []string {
	return func(_ programs, s scenario, listen string) []string {
		return []string{"node", "peers/" + name + "/main.js", "--listen", listen, "--mode", s.mode}
	}
}

// another is a server that the user named.
func another(name, command string) contender {
	return contender{name: name, about: "`" + command + "`", path: "/", command: func(_ programs, s scenario, listen string) []string {
		words := strings.Fields(command)
		for i, word := range words {
			words[i] = strings.NewReplacer("{listen}", listen, "{mode}", s.mode).Replace(word)
		}
		return words
	}}
}

// build builds all that is Go. clean removes it.
func build(ctx context.Context) (p programs, clean func(), err error) {
	dir, err := os.MkdirTemp("", "maru-bench-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	for _, module := range []struct {
		dir      string
		packages []string
	}{
		{"..", []string{"./cmd/maru", "./examples/echo"}},
		{".", []string{"./peers/..."}},
	} {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", dir + "/"}, module.packages...)...)
		cmd.Dir, cmd.Stderr = module.dir, os.Stderr
		if err := cmd.Run(); err != nil {
			clean()
			return "", nil, fmt.Errorf("build %v in %s: %w", module.packages, module.dir, err)
		}
	}
	return programs(dir), clean, nil
}
