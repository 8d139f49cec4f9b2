package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"

	nats "github.com/nats-io/nats.go"
)

// A LocalServer is a server of NATS in this process.
type LocalServer interface {
	InProcessConn() (net.Conn, error)
}

// ConnectLocal connects to a server of NATS in this process, without a port.
func ConnectLocal(ctx context.Context, s LocalServer, user, password string) (*nats.Conn, error) {
	conn, err := ConnectSystem(s, user, password)
	if err != nil {
		return nil, err
	}
	if err := started(ctx, func() error { return check(ctx, conn) }); err != nil {
		conn.Close()
		return nil, errors.Join(fmt.Errorf("the embedded server of NATS: %w", err), context.Cause(ctx))
	}
	return conn, nil
}

// ConnectSystem is ConnectLocal for a user of the system account, which has no JetStream.
func ConnectSystem(s LocalServer, user, password string) (*nats.Conn, error) {
	conn, err := nats.Connect(nats.DefaultURL, append(ConnOptions(), nats.Name("maru"), nats.InProcessServer(s), nats.UserInfo(user, password))...)
	if err != nil {
		return nil, fmt.Errorf("the embedded server of NATS: %w", err)
	}
	return conn, nil
}
