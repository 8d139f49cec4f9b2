package oracle

import (
	"fmt"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// A single is the scene of one server with its history on disk.
type single struct {
	*scene
	addr      string
	arguments []string
	server    *program.Process
	probes    int
}

// begin starts everything with the history in dir.
func begin(t *testing.T, dir string, followers int, refusals ...string) *single {
	s := &single{addr: program.FreeAddr(t)}
	s.scene = newScene(t, []string{s.addr}, refusals...)
	s.arguments = append(arguments(config(t), s.addr), "--data", dir)
	s.serve()
	s.populate(followers, 0)
	return s
}

// arguments are those of all servers of scenes.
func arguments(config, addr string) []string {
	return []string{"serve", "--config", config, "--listen", addr,
		"--history", fmt.Sprint(retained), "--history-bytes", fmt.Sprint(retainedBytes), "--backlog-messages", fmt.Sprint(backlog)}
}

func (s *single) serve() {
	s.t.Helper()
	s.server = program.Start(s.t, maruPath, s.arguments...)
	program.AwaitPort(s.t, s.server, s.addr)
}

// end ends the scene, and then the server.
func (s *single) end() {
	s.t.Helper()
	s.scene.end()
	if code := s.server.Stop(s.t); code != 0 {
		s.t.Errorf("exit code %d", code)
	}
}
