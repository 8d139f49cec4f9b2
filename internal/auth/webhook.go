package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
	"maru.example/maru/internal/strict"
)

const (
	defaultWebhookTimeout = 3 * time.Second
	maxWebhookAnswer      = 64 << 10
	maxWebhookAsks        = 1000 // at once, at most half of them of one address; beyond, CodeUnavailable
)

// WebhookOptions configure the connect webhook.
type WebhookOptions struct {
	URL     string        // http or https
	Headers []string      // headers of the request that are passed on; default Cookie
	Timeout time.Duration // default 3 s
	Log     *slog.Logger  // receives failures of the back end
	Stats   *WebhookStats // nil: nothing is counted
}

// Webhook asks the operator's back end for the identity of a client:
//
//	POST {"addr":"192.0.2.7","method":"GET","path":"/channels/chat:1","channel":"chat:1","headers":{"Cookie":["…"]}}
//	200  {"user":"kim","channels":["chat:1"],"expires":"2026-11-27T12:00:00Z"}   all may be left out
//	401, 403                                                                     CodeNotAllowed
//
// Any other answer, and no answer in time, is CodeUnavailable: the client is refused. A request
// with none of the headers is anonymous, and the back end is not asked.
type Webhook struct {
	options WebhookOptions
	client  *http.Client
	asking  *shares.Shares
}

// NewWebhook makes a Webhook. The error is about the URL.
func NewWebhook(o WebhookOptions) (*Webhook, error) {
	if err := checkURL("connect webhook", o.URL); err != nil {
		return nil, err
	}
	if o.Stats == nil {
		o.Stats = new(WebhookStats)
	}
	if o.Headers == nil {
		o.Headers = []string{"Cookie"}
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultWebhookTimeout
	}
	return &Webhook{o, &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, shares.New(maxWebhookAsks, "requests that wait for the connect webhook", o.Log)}, nil
}

// Close closes the idle connections to the back end.
func (h *Webhook) Close() { h.client.CloseIdleConnections() }

type webhookAsk struct {
	Addr    string      `json:"addr"`
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Channel string      `json:"channel,omitempty"`
	Headers http.Header `json:"headers"`
}

type webhookAnswer struct {
	User     string    `json:"user"`
	Channels []string  `json:"channels"`
	Expires  time.Time `json:"expires"`
}

// identity is the person of the answer. An answer about nobody is anonymous.
func (said *webhookAnswer) identity() Identity {
	if said.User == "" && len(said.Channels) == 0 && said.Expires.IsZero() {
		return Identity{}
	}
	return Identity{User: said.User, Grant: &Grant{Channels: said.Channels, Expires: said.Expires}}
}

var (
	errUnavailable = maru.NewError(maru.CodeUnavailable, "the connect webhook does not answer; try again")
	errRefused     = maru.NewError(maru.CodeNotAllowed, "the connect webhook refused this client")
)

// ask waits for the back end's answer about the sender of a request.
func (h *Webhook) ask(r *http.Request, channel string) (Identity, error) {
	if !slices.ContainsFunc(h.options.Headers, func(name string) bool { return len(r.Header.Values(name)) > 0 }) {
		return Identity{}, nil
	}
	caller := CallerFrom(r.Context())
	holder := caller.Holder(Identity{})
	if err := h.asking.Take(holder, 1); err != nil {
		h.options.Stats.Busy.Add(1)
		h.options.Log.Error("connect webhook: request refused, because 1,000 requests, or 500 of one address, are waiting for its answer",
			slog.String("addr", caller.Addr.String()))
		return Identity{}, errUnavailable
	}
	defer h.asking.Give(holder, 1)
	ask := webhookAsk{Addr: caller.Addr.String(), Method: r.Method, Path: r.URL.Path, Channel: channel, Headers: make(http.Header)}
	for _, name := range h.options.Headers {
		values := r.Header.Values(name)
		if !utf8.ValidString(strings.Join(values, "")) { // the encoder would change it
			return Identity{}, maru.NewError(maru.CodeBadRequest, "the header "+http.CanonicalHeaderKey(name)+" is not valid UTF-8")
		}
		if len(values) > 0 {
			ask.Headers[http.CanonicalHeaderKey(name)] = values
		}
	}
	if !utf8.ValidString(ask.Path) {
		return Identity{}, maru.NewError(maru.CodeBadRequest, "the path of the address is not valid UTF-8")
	}
	start := time.Now()
	who, err := h.send(r.Context(), ask)
	h.options.Stats.Took.Observe(time.Since(start))
	switch {
	case err == nil:
	case err == error(errRefused):
		h.options.Stats.Refused.Add(1)
	default:
		h.options.Stats.Failed.Add(1)
		h.options.Log.Error("connect webhook failed", slog.Any("err", err))
		err = errUnavailable
	}
	if who.Grant != nil {
		who.Grant.proof.Webhook = h.options.URL
	}
	return who, err
}

func (h *Webhook) send(ctx context.Context, ask webhookAsk) (Identity, error) {
	ctx, cancel := context.WithTimeout(ctx, h.options.Timeout)
	defer cancel()
	body, err := json.Marshal(ask)
	if err != nil {
		return Identity{}, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, h.options.URL, bytes.NewReader(body))
	if err != nil {
		return Identity{}, err
	}
	post.Header.Set("Content-Type", "application/json")
	answer, err := h.client.Do(post)
	if err != nil {
		return Identity{}, err
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return Identity{}, errRefused
	default:
		return Identity{}, fmt.Errorf("the back end answered %s, not 200, 401 or 403", answer.Status)
	}
	return readWebhook(answer.Body)
}

func readWebhook(body io.Reader) (Identity, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxWebhookAnswer+1))
	if err != nil {
		return Identity{}, err
	}
	var said webhookAnswer
	if len(data) > maxWebhookAnswer {
		return Identity{}, errors.New("the answer is larger than 64 KiB")
	}
	if err := strict.Decode(data, &said); err != nil { // a mistyped expires must not mean that it never expires
		return Identity{}, fmt.Errorf(`the answer is not {"user":"…","channels":["…"],"expires":"RFC 3339"}: %w`, err)
	}
	if !validUser(said.User) {
		return Identity{}, errors.New("the answer's user is not a valid name (UTF-8 of at most 255 bytes without control characters)")
	}
	return said.identity(), nil
}
