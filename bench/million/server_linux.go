package main

import (
	"context"
	"errors"
	"net"

	"maru.example/maru"
	"maru.example/maru/server"
)

const channel = "million"

// serverRole is one maru server.
type serverRole struct {
	server  *server.Server
	address string
}

func (r *serverRole) do(o order, s *state) error {
	switch o.Do {
	case begin:
		if err := r.begin(o); err != nil {
			return err
		}
	case publish:
		p := &maru.Publication{Kind: maru.Text, Data: []byte(o.Message)}
		if _, err := r.server.Publish(context.Background(), channel, p); err != nil {
			return err
		}
	}
	s.Address = r.address
	s.Connections = r.server.Presence(channel).Anonymous
	return nil
}

func (r *serverRole) begin(o order) error {
	if r.server != nil {
		return errors.New("serves already")
	}
	s, err := server.New(server.Options{Open: true, Loopback: true, PingInterval: o.Ping})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r.server, r.address = s, l.Addr().String()
	go s.Serve(l) // until the process ends: that is how the sockets go, too
	return nil
}
