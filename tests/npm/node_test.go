package npm_test

import (
	"os"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// The client runs in Node.js: with the package ws, from 22 on also with Node's own WebSocket.
func TestNode(t *testing.T) {
	program.InOwnStep(t)
	for version, socket := range map[string]string{"in PATH": "", "18": "ws", "22": "own WebSocket", "24": "own WebSocket"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			node := "node"
			if socket != "" {
				node = absolute(t, "node_modules/node"+version+"/bin/node")
				if _, err := os.Stat(node); err != nil {
					t.Skipf("npm has no Node.js %s for this platform", version)
				}
			}
			_, url := serve(t)
			out, err := run(project, node, "node.js", url)
			must(t, err)
			if text := string(out); socket != "" && !(strings.HasPrefix(text, "v"+version+".") && strings.HasSuffix(text, " "+socket+"\n")) {
				t.Errorf("ran in %s", text)
			}
		})
	}
}
