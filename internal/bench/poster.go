package bench

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
)

// poster publishes by POST, one request at a time: the order is kept.
type poster struct {
	*run
	client  *http.Client
	queue   chan int64 // numbers to publish
	running sync.WaitGroup
}

func newPoster(r *run) (*poster, error) {
	at, err := find(r.ctx, r.PublishURL, "--publish-url", &r.Options)
	if err != nil {
		return nil, err
	}
	return &poster{
		run:   r,
		queue: make(chan int64, max(r.Window, 1)),
		client: &http.Client{
			Transport: &http.Transport{ // the target has the proxy
				DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return at.connect(ctx, 0) },
				TLSClientConfig: &tls.Config{InsecureSkipVerify: r.Insecure},
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       openTimeout,
		},
	}, nil
}

func (p *poster) connect() error {
	p.running.Go(func() {
		for {
			select {
			case n := <-p.queue:
				p.post(n)
			case <-p.ctx.Done():
				return
			}
		}
	})
	return nil
}

func (p *poster) publish(n int64) bool {
	select {
	case p.queue <- n:
		return true
	default: // the request before has not been answered; a window never gets here
		return false
	}
}

func (p *poster) post(n int64) {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.PublishURL, bytes.NewReader(p.codec.wrap(nil, 0, n)))
	if err != nil {
		p.fault(failed, "publish: %v", err)
		return
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	for name, values := range p.PublishHeader {
		req.Header[name] = values
	}
	resp, err := p.client.Do(req)
	if err != nil {
		if p.ctx.Err() == nil {
			p.fault(failed, "publish: %v", err)
		}
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		p.fault(failed, "publish: %s answers %s: %.200q", redacted(p.PublishURL), resp.Status, body)
	}
}

func (p *poster) close() {
	p.running.Wait()
	p.client.CloseIdleConnections()
}
