package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"time"
)

// world is what runs while a server is measured: the server, and what belongs to it.
type world struct {
	server *child
	listen string   // of the server
	post   string   // the address for publications by POST; empty: the server's
	nodes  []*child // the other nodes of its cluster
	nats   []*child // the cluster's servers of NATS
	closed []func() // when they have ended
}

// child is a process of a world.
type child struct {
	*exec.Cmd
	ended chan struct{}
	said  tail
}

// tail is the end of what a program wrote. It may be read when the program has ended.
type tail []byte

func (t *tail) Write(b []byte) (int, error) {
	*t = append(*t, b...)
	*t = (*t)[max(0, len(*t)-1000):]
	return len(b), nil
}

// begin starts a program on a core.
func begin(ctx context.Context, core string, command []string) (*child, error) {
	c := &child{Cmd: exec.CommandContext(ctx, "taskset", append([]string{"-c", core}, command...)...), ended: make(chan struct{})}
	c.Stderr = &c.said
	c.Env = append(os.Environ(), "GOMAXPROCS=1", "NODE_ENV=production")
	alone(c.Cmd)
	if err := c.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.Wait()
		close(c.ended)
	}()
	return c, nil
}

func (c *child) kill() {
	c.Process.Kill()
	<-c.ended
}

// lone starts a server that needs nothing else.
func lone(ctx context.Context, s settings, p programs, c scenario, server contender) (*world, error) {
	listen, err := freeAddress()
	if err != nil {
		return nil, err
	}
	one, err := begin(ctx, s.cores[0], server.command(p, c, listen))
	if err != nil {
		return nil, err
	}
	w := &world{server: one, listen: listen}
	return w, one.listens(ctx, listen)
}

// beside is the processes whose CPU is reported beside the server's.
func (w *world) beside() []*child { return slices.Concat(w.nodes, w.nats) }

// close ends all of it. A world that could not be started is closed, too.
func (w *world) close() {
	if w == nil {
		return
	}
	for _, one := range append(w.beside(), w.server) {
		if one != nil {
			one.kill()
		}
	}
	for _, f := range w.closed {
		f()
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// listens waits until it listens.
func (c *child) listens(ctx context.Context, address string) error {
	give := time.After(startTimeout)
	for {
		if conn, err := net.Dial("tcp", address); err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-c.ended:
			return fmt.Errorf("the server has ended before it listened (is it built? see make help): %s", bytes.TrimSpace(c.said))
		case <-give:
			return fmt.Errorf("the server does not listen after %v", startTimeout)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
