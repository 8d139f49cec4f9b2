package natsd

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"maru.example/maru/internal/dirlock"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	maxPayload = 64 << 20 // bytes, as much as NATS allows
	// A silent connection between nodes is closed after three pings. The others know before that
	// that a node is dead, by the broker's own signs.
	routePing = 2 * time.Second
	routeLost = 3

	lookPause   = 50 * time.Millisecond
	reportEvery = 10 * time.Second // while a node waits for others
	gather      = 3 * time.Second  // for which a first start waits for all peers
)

// A Node is a server of NATS in this process. Make one with Start.
type Node struct {
	server   *server.Server
	reports  *reports
	log      *slog.Logger
	dir      string
	name     string
	lock     *dirlock.Lock
	password string
	removed  chan struct{} // closed when the node was removed from its cluster
	stop     chan struct{}
	stopping sync.Once
	watching sync.WaitGroup
}

// User is one of the two users of the server inside of the process.
type User string

const (
	Client User = "maru"   // the broker
	System User = "system" // sees the servers, and removes them
)

// Start starts the server and waits until it is a part of its cluster, or ctx ends. The first start of a
// cluster needs a majority of its nodes. The error names the option, file or address that is wrong.
func Start(ctx context.Context, o Options) (*Node, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := dirlock.Take(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Dir, err)
	}
	n := &Node{
		log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), dir: o.Dir, lock: lock, password: rand.Text(),
		removed: make(chan struct{}), stop: make(chan struct{}),
	}
	if err := n.start(ctx, &o); err != nil {
		n.Stop()
		return nil, fmt.Errorf("cluster %s: %w", o.Cluster, err)
	}
	n.watching.Go(n.watch)
	return n, nil
}

func (n *Node) start(ctx context.Context, o *Options) error {
	var err error
	if n.name, err = identity(o.Dir, o.Cluster); err != nil {
		return err
	}
	if err := n.free(o.Listen); err != nil {
		return err
	}
	options, err := n.options(o)
	if err != nil {
		return err
	}
	if n.server, err = server.NewServer(options); err != nil {
		return err
	}
	n.reports = newReports(n.log, o.Cluster)
	n.server.SetLogger(n.reports, false, false)
	n.run()
	return n.join(ctx, o)
}

// Visit is Start for a program that only uses the cluster for a while: a server without JetStream, which
// other nodes cannot reach by themselves. Dir and Listen are not used.
func Visit(ctx context.Context, o Options) (*Node, error) {
	o.Dir, o.Listen = os.TempDir(), "127.0.0.1:1" // they pass the check
	if err := o.Check(); err != nil {
		return nil, err
	}
	n := &Node{log: cmp.Or(o.Logger, slog.New(slog.DiscardHandler)), password: rand.Text(), removed: make(chan struct{}), stop: make(chan struct{})}
	n.name = "visitor-" + rand.Text()
	options, err := n.options(&o)
	if err != nil {
		return nil, err
	}
	options.JetStream, options.StoreDir, options.Cluster.Port = false, "", server.RANDOM_PORT
	if n.server, err = server.NewServer(options); err != nil {
		return nil, err
	}
	n.reports = newReports(n.log, o.Cluster)
	n.server.SetLogger(n.reports, false, false)
	n.run()
	return n, nil
}

// run starts the server without a port for clients. NATS would open that for nodes after that for clients,
// and so never: it waits for a channel that nothing closes (a goroutine that waits until the end of the
// process). StartRouting opens it.
func (n *Node) run() {
	n.server.Start()
	opened := make(chan struct{})
	close(opened)
	n.server.StartRouting(opened)
}

// free finds a port in use, and an address that is not of this machine, before NATS does.
func (n *Node) free(at string) error {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return err
	}
	return l.Close()
}

// options are those of NATS.
func (n *Node) options(o *Options) (*server.Options, error) {
	config, err := o.tls()
	if err != nil {
		return nil, err
	}
	host, port, err := split(o.Listen)
	if err != nil {
		return nil, err
	}
	system := server.NewAccount(server.DEFAULT_SYSTEM_ACCOUNT)
	options := &server.Options{
		ServerName: n.name, DontListen: true, NoSigs: true, NoLog: true, MaxPayload: maxPayload,
		JetStream: true, StoreDir: filepath.Join(o.Dir, storeDir), SyncAlways: true,
		JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 50, // nothing is in memory; the disk is the limit
		Accounts: []*server.Account{system}, SystemAccount: system.Name,
		Users: []*server.User{{Username: string(Client), Password: n.password}, {Username: string(System), Password: n.password, Account: system}},
		Cluster: server.ClusterOpts{
			Name: o.Cluster, Host: host, Port: port, NoAdvertise: true, TLSConfig: config, TLSTimeout: 5,
			PingInterval: routePing, MaxPingsOut: routeLost,
		},
	}
	for _, at := range o.Peers {
		options.Routes = append(options.Routes, &url.URL{Scheme: "nats", Host: at})
	}
	return options, nil
}

// join waits until there is a majority.
func (n *Node) join(ctx context.Context, o *Options) error {
	look := time.NewTicker(lookPause)
	defer look.Stop()
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	begun := time.Now()
	for {
		if err := n.reports.failure(); err != nil {
			return err
		}
		if size := n.Size(); size > 0 && (size > len(o.Peers) || time.Since(begun) > gather) {
			n.log.Info("this node is a part of its cluster", slog.String("cluster", o.Cluster), slog.String("name", n.name), slog.Int("nodes", size))
			return nil
		}
		select {
		case <-look.C:
		case <-report.C:
			n.log.Warn("waiting for a majority of the cluster", slog.String("cluster", o.Cluster), slog.String("peers", strings.Join(o.Peers, ", ")), slog.Int("connected", n.server.NumRoutes()))
		case <-ctx.Done():
			return fmt.Errorf("no majority of the nodes answers: %w", context.Cause(ctx))
		}
	}
}

// Name is the name of the node in its cluster.
func (n *Node) Name() string { return n.name }

// ID is the id of this run of the server in NATS.
func (n *Node) ID() string { return n.server.ID() }

// InProcessConn connects a client to the server. It is what nats.InProcessServer expects.
func (n *Node) InProcessConn() (net.Conn, error) { return n.server.InProcessConn() }

// Credentials are the name and the password of a user.
func (n *Node) Credentials(u User) (name, password string) { return string(u), n.password }

// Size is how many nodes the cluster has, also those that are away; 0: this node does not know, since it
// is cut off from the majority.
func (n *Node) Size() int {
	info, err := n.server.Jsz(nil)
	if err != nil || info.Meta == nil || info.Meta.Leader == "" {
		return 0
	}
	return info.Meta.Size
}

// Leads reports whether this node decides about the cluster at the moment.
func (n *Node) Leads() bool { return n.server.JetStreamIsLeader() }

// Removed is closed when the node was removed from its cluster. It cannot return with its directory.
func (n *Node) Removed() <-chan struct{} { return n.removed }

// watch notices that the node was removed: NATS then ends JetStream, as it does for a directory that
// cannot be written.
func (n *Node) watch() {
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-n.stop:
			return
		}
		if n.server.JetStreamEnabled() {
			continue
		}
		if !n.reports.removed.Load() {
			n.log.Error("the embedded server of NATS stores nothing any more", slog.String("name", n.name), slog.String("dir", n.dir))
			return
		}
		n.log.Error("this node was removed from its cluster", slog.String("name", n.name), slog.String("dir", n.dir))
		if err := writeFile(filepath.Join(n.dir, removedFile), n.name+"\n"); err != nil {
			n.log.Error("the directory of a removed node cannot be marked; do not use it again", slog.String("dir", n.dir), slog.Any("err", err))
		}
		close(n.removed)
		return
	}
}

// Stop hands over what the node leads, and ends the server. A second call does nothing.
func (n *Node) Stop() error {
	var err error
	n.stopping.Do(func() {
		close(n.stop)
		n.watching.Wait()
		if n.server != nil {
			n.server.Shutdown()
			n.server.WaitForShutdown()
		}
		if n.lock != nil {
			err = n.lock.Unlock()
		}
	})
	return err
}
