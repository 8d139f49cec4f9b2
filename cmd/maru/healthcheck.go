package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// healthTimeout is the longest time for an answer; a server that takes longer is not healthy.
const healthTimeout = 3 * time.Second

type healthcheckCmd struct {
	remote
	Ready bool `help:"Ask whether the server takes new clients (/readyz), not only whether it works (/healthz)."`
}

// Help is the text of --help beside the flags.
func (*healthcheckCmd) Help() string {
	return `Exits with 0 if the server answers 200 within 3 s, and otherwise with 1 and the reason. ` +
		`It is for images without a shell: HEALTHCHECK CMD ["/maru", "healthcheck"].`
}

// Run asks once.
func (c *healthcheckCmd) Run(ctx context.Context, _ *surroundings) error {
	base, err := c.base()
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeoutCause(ctx, healthTimeout, fmt.Errorf("no answer within %v", healthTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return because(ctx, err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if needsTLS(resp.StatusCode, text) {
		return fmt.Errorf("%s: %w", req.URL.Redacted(), errNeedsTLS)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", req.URL.Redacted(), resp.Status)
	}
	return nil
}
