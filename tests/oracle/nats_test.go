package oracle

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"maru.example/maru/tests/e2e/program"
)

// A natsServer is one of NATS with JetStream, a process of its own. Others reach it by cables.
type natsServer struct {
	*program.Process
	clients, routes string // its addresses
	config          string
}

// newNATS makes servers of one cluster, without starting them, and the cables between them:
// cables[i][j] leads from i to j.
func newNATS(t *testing.T, n int) (all []*natsServer, cables [][]*cable) {
	t.Helper()
	for range n {
		all = append(all, &natsServer{clients: program.FreeAddr(t), routes: program.FreeAddr(t), config: filepath.Join(t.TempDir(), "nats.conf")})
	}
	for i, s := range all {
		cables = append(cables, make([]*cable, n))
		var routes []string
		for j, other := range all {
			if i != j {
				cables[i][j] = newCable(t, other.routes)
				routes = append(routes, "nats://"+cables[i][j].addr)
			}
		}
		if err := os.WriteFile(s.config, fmt.Appendf(nil, natsConfig, i, s.clients, t.TempDir(), s.routes, strings.Join(routes, ", ")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return all, cables
}

// natsConfig: nobody is told of addresses that are not cables. What is advertised answers nobody.
const natsConfig = `
server_name: n%d
listen: "%s"
jetstream { store_dir: "%s", max_file_store: 1TB }
cluster {
  name: oracle
  listen: "%s"
  no_advertise: true
  cluster_advertise: "127.0.0.1:1"
  routes: [%s]
}
`

func (s *natsServer) start(t *testing.T) {
	t.Helper()
	s.Process = program.Start(t, natsPath, "-c", s.config)
}
