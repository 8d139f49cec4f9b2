package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"maru.example/maru"
)

// Publish publishes p in a channel, and returns its position when the server has it: it is
// then as durable as its namespace promises. It uses Kind, Data, Key and Event of p; the
// server sets the rest. After a lost connection it is sent again, and is published once.
//
// If ctx ends first, it may be published or not. The same holds for ErrDisconnected, which
// is returned if the connection is not back within nine minutes. Errors of the server wrap
// a *maru.Error: CodeBadChannel, CodeBadText, CodeBadJSON, CodeNotAllowed, CodeTooLarge,
// CodeRateLimited, CodeStorageFull; CodeBadRequest if p is nil,
// or its key or event is refused (maru.Publication.Check).
func (c *Client) Publish(ctx context.Context, channel string, p *maru.Publication) (maru.Position, error) {
	done, err := c.PublishWith(ctx, channel, p, maru.PublishOptions{})
	return done.Position, err
}

// PublishWith is Publish with options. Without an IdempotencyKey it makes one. A Transient
// publication is never sent twice, and fails with ErrDisconnected while there is no
// connection. Publisher is set by the server and must be empty. Errors beside those of
// Publish: CodeBadRequest for a key that is too long, CodeIdempotencyConflict.
func (c *Client) PublishWith(ctx context.Context, channel string, p *maru.Publication, o maru.PublishOptions) (maru.Published, error) {
	body, err := c.publishCommand(channel, p, o)
	if err != nil {
		return maru.Published{}, fmt.Errorf("client: publish: %w", err)
	}
	repeat := known
	if o.Transient {
		repeat = never
	}
	m, err := c.do(ctx, "publish", body, repeat, !o.Transient)
	if err == nil && m.Publish == nil {
		err = errStrange
	}
	if err != nil {
		return maru.Published{}, err
	}
	r := m.Publish
	return maru.Published{Position: maru.Position{Epoch: r.Epoch, Offset: r.Offset}, Replayed: r.Replayed, Stale: r.Stale}, nil
}

func (c *Client) publishCommand(channel string, p *maru.Publication, o maru.PublishOptions) (publishCommand, error) {
	if p == nil {
		return publishCommand{}, p.Check()
	}
	body := publishCommand{
		Channel: channel, Kind: p.Kind.String(), Key: p.Key, Event: p.Event,
		IdempotencyKey: o.IdempotencyKey, Version: o.Version, Transient: o.Transient,
	}
	if body.IdempotencyKey == "" && !o.Transient {
		body.IdempotencyKey = fmt.Sprintf("%s-%d", c.unique, c.ids.Add(1))
	}
	err := maru.CheckChannel(channel)
	if err == nil {
		err = o.Check()
	}
	if err == nil && o.Publisher != "" {
		err = maru.NewError(maru.CodeBadRequest, "Publisher must be empty: the server sets it")
	}
	if err == nil {
		body.Data, err = encodeData(p)
	}
	return body, err
}

// History reads the retained publications of a channel: those after q.Since, the newest before
// q.Before, or the newest. To read backwards, ask again with Before at the first publication of
// each answer; an answer with fewer than Limit publications is the last. A Limit of 0 is the
// server's default, 100. The maximum is 1,000; a negative Limit means the maximum.
func (c *Client) History(ctx context.Context, channel string, q maru.HistoryQuery) (maru.History, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return maru.History{}, fmt.Errorf("client: history: %w", err)
	}
	if err := q.Check(); err != nil {
		return maru.History{}, fmt.Errorf("client: history: %w", err)
	}
	if q.Limit < 0 {
		q.Limit = maru.MaxHistoryPublications
	}
	m, err := c.do(ctx, "history", historyCommand{channel, written(q.Since), written(q.Before), q.Limit}, always, true)
	if err == nil && m.History == nil {
		err = errStrange
	}
	if err != nil {
		return maru.History{}, err
	}
	return m.History.history(), nil
}

// Presence returns the people in a channel.
func (c *Client) Presence(ctx context.Context, channel string) (maru.Presence, error) {
	if err := maru.CheckChannel(channel); err != nil {
		return maru.Presence{}, fmt.Errorf("client: presence: %w", err)
	}
	m, err := c.do(ctx, "presence", channelCommand{channel}, always, true)
	if err == nil && m.Presence == nil {
		err = errStrange
	}
	if err != nil {
		return maru.Presence{}, err
	}
	r := m.Presence
	return maru.Presence{Channel: channel, Version: r.Version, Count: r.Count, Users: r.Users, Anonymous: r.Anonymous}, nil
}

// RPC calls a method of the program that embeds the server. args and the reply are JSON;
// either may be nil. It waits for a connection, and is never sent twice: if the connection
// is lost before the reply, it fails with ErrDisconnected. Errors of the server wrap a
// *maru.Error: CodeNotFound if there is no such method, or the error of that program;
// CodeBadRequest or CodeBadJSON if method or args are not valid UTF-8.
func (c *Client) RPC(ctx context.Context, method string, args, reply any) error {
	body := rpcCommand{Method: method}
	if args != nil {
		data, err := json.Marshal(args)
		if err != nil {
			return fmt.Errorf("client: rpc: %w", err)
		}
		body.Data = data
	}
	m, err := c.do(ctx, "rpc", body, never, true)
	switch {
	case err != nil:
		return err
	case m.RPC == nil:
		return errStrange
	case reply == nil || m.RPC.Data == nil:
		return nil
	}
	if err := json.Unmarshal(m.RPC.Data, reply); err != nil {
		return fmt.Errorf("client: rpc: decode the reply: %w", err)
	}
	return nil
}

var errStrange = errors.New("client: the server's reply is malformed (is it a maru server?)")
