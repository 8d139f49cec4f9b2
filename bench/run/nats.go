package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// natsCluster is the servers of NATS of a cluster.
type natsCluster struct {
	servers int
	synced  bool
}

// natsModule has the main package of the server of NATS, in the version that the tests have.
const natsModule = "github.com/nats-io/nats-server/v2"

// start starts them, and returns their URLs.
func (n natsCluster) start(ctx context.Context, s settings, p programs, w *world) (urls []string, err error) {
	dir, err := os.MkdirTemp("", "maru-bench-nats-")
	if err != nil {
		return nil, err
	}
	w.closed = append(w.closed, func() { os.RemoveAll(dir) })
	clients, routes := make([]string, n.servers), make([]string, n.servers)
	for i := range n.servers {
		if clients[i], err = freeAddress(); err == nil {
			routes[i], err = freeAddress()
		}
		if err != nil {
			return nil, err
		}
		urls = append(urls, "nats://"+clients[i])
	}
	for i := range n.servers {
		file := filepath.Join(dir, fmt.Sprint(i, ".conf"))
		if err := os.WriteFile(file, []byte(n.config(dir, i, clients, routes)), 0o600); err != nil {
			return nil, err
		}
		server, err := begin(ctx, s.cores[1], []string{p.file("nats-server"), "-c", file})
		if err != nil {
			return nil, err
		}
		w.nats = append(w.nats, server)
	}
	for i, address := range clients {
		if err := w.nats[i].listens(ctx, address); err != nil {
			return nil, fmt.Errorf("NATS: %w", err)
		}
	}
	return urls, nil
}

// config is the configuration file of one of them.
func (n natsCluster) config(dir string, i int, clients, routes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: n%d\nlisten: %q\nlog_file: %q\njetstream {\n\tstore_dir: %q\n\tmax_file: 1TB\n", i, clients[i], os.DevNull, filepath.Join(dir, strconv.Itoa(i)))
	if n.synced {
		b.WriteString("\tsync_interval: always\n")
	}
	b.WriteString("}\n")
	if n.servers > 1 {
		fmt.Fprintf(&b, "cluster {\n\tname: bench\n\tlisten: %q\n\troutes: [", routes[i])
		for _, route := range routes {
			fmt.Fprintf(&b, "%q, ", "nats://"+route)
		}
		b.WriteString("]\n}\n")
	}
	return b.String()
}
