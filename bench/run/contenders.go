package main

import (
	"bytes"
	"cmp"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// contender is a server to measure.
type contender struct {
	name     string
	about    string
	path     string                                                              // of its WebSocket; {g} is the number of a group
	socketIO bool                                                                // its clients are those of Socket.IO
	modes    []string                                                            // that it has; nil: all
	command  func(p programs, s scenario, listen string) []string                //
	begin    func(context.Context, settings, programs, scenario) (*world, error) // nil: the command alone
	needs    []string                                                            // main packages of other modules, in maru's versions
	greeting []string                                                            // flags of maru bench: what a connection says first
	messages []string                                                            // how messages are wrapped
	collects bool                                                                // SIGUSR1 makes it collect its garbage
	version  func(p programs) string                                             //
	missing  string                                                              // how to have it here, if it is not
	checkout string                                                              // whose programs are built for it; empty: none
}

func (c contender) called() string { return c.name }

// programs is the directory of what was built.
type programs string

func (p programs) file(name string) string { return filepath.Join(string(p), name) }

// Those that others are seen against.
const (
	maruName       = "maru"
	limitName      = "limit"
	uwsName        = "uws"
	centrifugoName = "centrifugo"
)

func contenders() []contender {
	return []contender{
		maruContender(),
		{
			name: "maru-goroutines", about: "`examples/echo --goroutines`, callbacks in goroutines", path: "/", modes: []string{"echo"},
			command: func(p programs, _ scenario, listen string) []string {
				return []string{p.file("echo"), "--goroutines", "--listen", listen}
			}, collects: true, version: maruVersion,
		},
		{
			name: limitName, about: "the limit: C, nothing but the system calls; with several on the way, 16 joined in each send", path: "/",
			command: limitCommand, version: func(programs) string { return output("cc", "--version") },
		},
		uwebsockets(), centrifugo(),
		goPeer("gorilla", "gorilla/websocket, writer goroutines, PreparedMessage", "github.com/gorilla/websocket"),
		goPeer("coder", "coder/websocket", "github.com/coder/websocket"),
		goPeer("gws", "lxzan/gws, Broadcaster", "github.com/lxzan/gws"),
		goPeer("nbio", "lesismal/nbio, non-blocking", "github.com/lesismal/nbio"),
		goPeer("gobwas", "gobwas/ws, compiled frame", "github.com/gobwas/ws"),
		nodePeer("ws", "npm ws", "ws"),
		socketIO(),
	}
}

func maruContender() contender {
	return contender{
		name: maruName, about: "`maru serve`, a channel with history; `examples/echo` for echo, callbacks on the loop", path: "/channels/bench-{g}",
		command: maruCommand, collects: true, version: maruVersion,
	}
}

func maruCommand(p programs, s scenario, listen string) []string {
	if s.mode == "echo" {
		return []string{p.file("echo"), "--listen", listen}
	}
	return append([]string{p.file("maru"), "serve", "--listen", listen}, strings.Fields(s.serve)...)
}

// maruVersion is the commit, and whether anything but bench/, where results come to
// lie, differs from it.
func maruVersion(programs) string {
	commit := output("git", "rev-parse", "--short=12", "HEAD")
	if output("git", "status", "--porcelain", "--", "..", ":(exclude)../bench") != unknown {
		commit += " with changes"
	}
	return commit + ", " + runtime.Version()
}

func limitCommand(_ programs, s scenario, listen string) []string {
	mode := s.mode
	if s.joins {
		mode = "joined"
	}
	return []string{"limit/limit", "--listen", listen, "--mode", mode}
}

// uwebsockets is a program that the user builds: see bench/README.md.
func uwebsockets() contender {
	program, missing := installed("UWEBSOCKETS_PEER", "uwebsockets-peer")
	return contender{
		name: uwsName, about: "uWebSockets, publish to a topic", path: "/", missing: missing,
		command: func(_ programs, s scenario, listen string) []string {
			return []string{program, "--listen", listen, "--mode", s.mode}
		},
		version: func(programs) string { return output(program, "--version") },
	}
}

func centrifugo() contender {
	program, missing := installed("CENTRIFUGO", "centrifugo")
	return contender{
		name: centrifugoName, about: "Centrifugo, JSON, a client publishes", path: "/connection/websocket", modes: []string{"fanout"}, missing: missing,
		command: func(p programs, _ scenario, listen string) []string {
			host, port, _ := net.SplitHostPort(listen)
			return []string{
				"env", "CENTRIFUGO_HTTP_SERVER_ADDRESS=" + host, "CENTRIFUGO_HTTP_SERVER_PORT=" + port,
				program, "--config", p.file(centrifugoConfig),
			}
		},
		greeting: []string{"--settle", "2s", "--first-message", `{"id":1,"connect":{}}` + "\n" + `{"id":2,"subscribe":{"channel":"bench"}}`},
		messages: []string{"--contains", "--message", `{"id":9,"publish":{"channel":"bench","data":"{payload}"}}`},
		version: func(programs) string {
			if said := strings.TrimPrefix(output(program, "version"), "Centrifugo "); !strings.HasPrefix(said, "v0.0.0") {
				return said
			}
			return moduleVersion(program, "github.com/centrifugal/centrifugo/v6") // by go install, it does not know its own
		},
	}
}

// centrifugoRules let anybody publish, and put the pings of its own protocol, which
// maru bench does not answer, beyond the end of a measurement. All else is as it comes.
const (
	centrifugoConfig = "centrifugo.json"
	centrifugoRules  = `{
	"client": {"allow_anonymous_connect_without_token": true, "allowed_origins": ["*"], "ping_interval": "10m", "pong_timeout": "5m"},
	"channel": {"without_namespace": {
		"allow_subscribe_for_client": true, "allow_subscribe_for_anonymous": true,
		"allow_publish_for_client": true, "allow_publish_for_anonymous": true
	}}
}
`
)

// installed finds a program that a variable names, or that is on the PATH.
func installed(variable, name string) (program, missing string) {
	program = cmp.Or(os.Getenv(variable), name)
	if path, err := exec.LookPath(program); err == nil {
		return path, ""
	}
	return program, fmt.Sprintf("%s is not there: %s names the program, or it is on the PATH (bench/README.md)", program, variable)
}

func goPeer(name, about, module string) contender {
	return contender{
		name: name, about: about, path: "/", collects: true,
		command: func(p programs, s scenario, listen string) []string {
			return []string{p.file(name), "--listen", listen, "--mode", s.mode}
		},
		version: func(p programs) string { return moduleVersion(p.file(name), module) },
	}
}

func nodePeer(name, about, module string) contender {
	return contender{
		name: name, about: about, path: "/",
		command: func(_ programs, s scenario, listen string) []string {
			return []string{"node", "peers/" + name + "/main.js", "--listen", listen, "--mode", s.mode}
		},
		version: func(programs) string { return npmVersion(module) + ", Node " + output("node", "--version") },
	}
}

func socketIO() contender {
	c := nodePeer(npmName, "Socket.IO, WebSocket only", "socket.io")
	c.path = "/socket.io/?EIO=4&transport=websocket"
	c.greeting = []string{"--first-message", "40", "--settle", "2s"}
	c.messages = []string{"--contains", "--message", `42["message","{payload}"]`}
	return c
}

// another is a server that the user named. It is spoken to like one of the part.
func another(name, command string, like contender) contender {
	c := like
	c.name, c.about = name, "`"+command+"`"
	c.command = func(_ programs, s scenario, listen string) []string {
		words := strings.Fields(command)
		for i, word := range words {
			words[i] = strings.NewReplacer("{listen}", listen, "{mode}", s.mode).Replace(word)
		}
		return words
	}
	c.version = func(programs) string { return unknown }
	return c
}

const unknown = "version unknown"

// output is the first line that a program prints.
func output(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	line, _, _ := bytes.Cut(bytes.TrimSpace(out), []byte("\n"))
	if err != nil || len(line) == 0 {
		return unknown
	}
	return string(line)
}

func moduleVersion(program, module string) string {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return unknown
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path == module {
			return m.Version + ", " + info.GoVersion
		}
	}
	return unknown
}

func npmVersion(module string) string {
	var about struct{ Version string }
	content, err := os.ReadFile(filepath.Join("node_modules", module, "package.json"))
	if err != nil || json.Unmarshal(content, &about) != nil {
		return unknown
	}
	return about.Version
}

// build builds all that is Go. clean removes it.
func build(ctx context.Context, servers []contender) (p programs, clean func(), err error) {
	dir, err := os.MkdirTemp("", "maru-bench-")
	if err != nil {
		return "", nil, err
	}
	clean = func() { os.RemoveAll(dir) }
	p = programs(dir)
	if err := p.build(ctx, servers); err != nil {
		clean()
		return "", nil, err
	}
	return p, clean, nil
}

// ofMaru are the main packages that are measured of a checkout of maru; maru is the load tool,
// too.
var ofMaru = []string{"./cmd/maru", "./examples/echo"}

func (p programs) build(ctx context.Context, servers []contender) error {
	if err := os.WriteFile(p.file(centrifugoConfig), []byte(centrifugoRules), 0o644); err != nil {
		return err
	}
	mains := map[string][]string{"..": slices.Clone(ofMaru)} // by module
	for _, c := range servers {
		if _, err := os.Stat(filepath.Join("peers", c.name, "main.go")); err == nil {
			mains["."] = append(mains["."], "./peers/"+c.name)
		}
	}
	laid := maps.Clone(mains)
	for _, c := range servers {
		if dir, _ := c.module(p); dir != "" {
			laid[dir] = slices.Clone(ofMaru)
		}
	}
	overlay, err := overlayOf(laid)
	if err != nil {
		return err
	}
	if err := os.WriteFile(p.file("overlay.json"), overlay, 0o644); err != nil {
		return err
	}
	for _, c := range servers {
		for _, one := range c.needs {
			if !slices.Contains(mains[".."], one) {
				mains[".."] = append(mains[".."], one)
			}
		}
	}
	for module, packages := range mains {
		if err := p.compile(ctx, module, string(p)+"/", packages); err != nil {
			return err
		}
	}
	for _, c := range servers {
		if dir, out := c.module(p); dir != "" {
			if err := os.MkdirAll(out, 0o755); err != nil {
				return err
			}
			if err := p.compile(ctx, dir, out, slices.Clone(ofMaru)); err != nil {
				return err
			}
		}
	}
	return nil
}

// compile builds main packages of a module.
func (p programs) compile(ctx context.Context, module, out string, packages []string) error {
	args := append([]string{"build", "-overlay", p.file("overlay.json"), "-o", out}, packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Stderr = module, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %v in %s: %w", packages, module, err)
	}
	return nil
}

// overlayOf lays _collect.go over main packages.
func overlayOf(mains map[string][]string) ([]byte, error) {
	source, err := filepath.Abs("run/_collect.go")
	if err != nil {
		return nil, err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for module, packages := range mains {
		for _, one := range packages {
			place, err := filepath.Abs(filepath.Join(module, one, "collect_for_bench.go"))
			if err != nil {
				return nil, err
			}
			overlay.Replace[place] = source
		}
	}
	return json.Marshal(overlay)
}

// present is the servers that are there.
func present(all []contender) []contender {
	return slices.DeleteFunc(slices.Clone(all), func(c contender) bool { return c.missing != "" })
}
