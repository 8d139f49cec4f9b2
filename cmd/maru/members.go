package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"maru.example/maru/internal/strict"
)

type clusterCmd struct {
	Status clusterStatusCmd `cmd:"" help:"List the servers of the cluster."`
	Remove clusterRemoveCmd `cmd:"" help:"Remove a server from the cluster for good, dead or alive."`
}

type clusterStatusCmd struct {
	remote
	JSON bool `help:"Print the answer of the server as it is."`
}

// Help is the text of --help beside the flags.
func (*clusterStatusCmd) Help() string {
	return `The server is one of a cluster (--cluster), and the token must be an API key. Exits with 1 if a server of the cluster is away.`
}

// Run prints a line for each server of the cluster.
func (c *clusterStatusCmd) Run(ctx context.Context, s *surroundings) error {
	data, err := c.admin(ctx, http.MethodGet, "/admin/cluster", nil)
	if err != nil {
		return err
	}
	var answer struct {
		Members []struct {
			Name          string  `json:"name"`
			This          bool    `json:"this"`
			Leads         bool    `json:"leads"`
			State         string  `json:"state"`
			SilentSeconds float64 `json:"silent_seconds"`
		} `json:"members"`
	}
	if err := strict.DecodeKnown(data, &answer); err != nil {
		return fmt.Errorf("the answer is not that of a server of maru: %w", err)
	}
	if c.JSON {
		_, err := s.stdout.Write(data)
		return err
	}
	out := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	away := 0
	for _, m := range answer.Members {
		note := ""
		switch {
		case m.State == "away":
			away++
			if silent := time.Duration(m.SilentSeconds) * time.Second; silent > 0 {
				note = "for " + silent.String()
			}
		case m.Leads:
			note = "leads"
		}
		if m.This {
			note += " (this server)"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\n", m.Name, m.State, note)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if away > 0 {
		return fmt.Errorf("servers of the cluster that are away: %d of %d", away, len(answer.Members))
	}
	return nil
}

type clusterRemoveCmd struct {
	Name string `arg:"" placeholder:"NAME" help:"The name of the server, as maru cluster status lists it."`

	remote
}

// Help is the text of --help beside the flags.
func (*clusterRemoveCmd) Help() string {
	return `Any server of the cluster can be asked, and the token must be an API key. A server that is alive gives its copies away first, ` +
		`if there are enough others, and then ends. It can return with an empty directory only.`
}

// Run waits until the server is removed.
func (c *clusterRemoveCmd) Run(ctx context.Context, s *surroundings) error {
	body, err := json.Marshal(map[string]string{"name": c.Name})
	if err != nil {
		return err
	}
	if _, err := c.admin(ctx, http.MethodPost, "/admin/cluster/remove", body); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.stdout, "%s is no longer a part of the cluster\n", c.Name)
	return err
}

// admin asks the server something that needs an API key.
func (r *remote) admin(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	client, err := r.client()
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, usagef("--server: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, refused(resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, 1<<20))
}
