package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"maru.example/maru/internal/handshake"
	"maru.example/maru/ws"
)

// proxyAnswered is http.Transport.OnProxyConnectResponse: a proxy has answered CONNECT, which is
// its part for https. Without it the error would only be the text of the status.
func proxyAnswered(_ context.Context, proxy *url.URL, r *http.Request, resp *http.Response) error {
	err := handshake.CheckProxyAnswer(resp, proxy, r.Host)
	if err == nil {
		return nil
	}
	return &refusal{resp.StatusCode, err}
}

// byProxy is the error for an answer over http that is not maru's, if a proxy was asked: the
// answer may be its own.
func byProxy(resp *http.Response) error {
	if resp.Request.URL.Scheme != "http" {
		return nil
	}
	proxy, err := http.ProxyFromEnvironment(resp.Request)
	switch {
	case err != nil || proxy == nil:
		return nil
	case resp.StatusCode == http.StatusProxyAuthRequired:
		return &refusal{resp.StatusCode, handshake.CheckProxyAnswer(resp, proxy, resp.Request.URL.Host)}
	}
	return &refusal{resp.StatusCode, fmt.Errorf("%s: answered %s, without an error of maru's (is it the answer of the proxy %s, or not a maru server?)",
		resp.Request.URL.Redacted(), resp.Status, proxy.Redacted())}
}

// plainRefusal is the *refusal in an error of ws.Dial, of the server or its proxy, or the error.
func plainRefusal(address string, err error) error {
	if refused, ok := errors.AsType[*ws.HandshakeError](err); ok {
		if text, _ := io.ReadAll(refused.Response.Body); needsTLS(refused.Response.StatusCode, text) {
			return &refusal{refused.Response.StatusCode, fmt.Errorf("%s: %w", address, errNeedsTLS)}
		}
		return &refusal{refused.Response.StatusCode, fmt.Errorf("%s: the WebSocket handshake was answered %s", address, refused.Response.Status)}
	}
	if refused, ok := errors.AsType[*ws.ProxyError](err); ok && refused.Status > 0 {
		return &refusal{refused.Status, err}
	}
	return advised(err)
}
