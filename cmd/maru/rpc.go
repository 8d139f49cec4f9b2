package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/strict"
	"maru.example/maru/server"
)

// backEnd answers the rpc requests of clients (--rpc-webhook):
//
//	POST {"method":"move","data":…,"user":"kim"}    user is left out for anonymous, data if there is none
//	200  any JSON, or nothing                       the answer
//	4xx  {"error":{"code":"…","message":"…"}}       an error for the client, as it is
//	404                                             CodeNotFound
//
// Any other answer, and no answer in time, is CodeUnavailable, and is logged.
type backEnd struct {
	url    string
	client *http.Client
	log    *slog.Logger
}

// maxRPCAnswer bounds the answer of a back end, in bytes.
const maxRPCAnswer = 1 << 20

var (
	errBackEnd  = maru.NewError(maru.CodeUnavailable, "the back end does not answer; try again")
	errNoMethod = maru.NewError(maru.CodeNotFound, "this method does not exist")
)

func newBackEnd(url string, log *slog.Logger) *backEnd {
	return &backEnd{url, &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, log}
}

// call is server.Options.RPC.
func (b *backEnd) call(ctx context.Context, who server.Caller, method string, data json.RawMessage) (json.RawMessage, error) {
	answer, err := b.post(ctx, struct {
		Method string          `json:"method"`
		Data   json.RawMessage `json:"data,omitempty"`
		User   string          `json:"user,omitempty"`
	}{method, data, who.User})
	if public := new(maru.Error); err != nil && !errors.As(err, &public) {
		b.log.Error("rpc webhook failed", slog.String("method", method), slog.Any("err", err))
		return nil, errBackEnd
	}
	return answer, err
}

func (b *backEnd) post(ctx context.Context, ask any) (json.RawMessage, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxRPCAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxRPCAnswer {
		return nil, errors.New("the answer is larger than 1 MiB")
	}
	switch answer.StatusCode {
	case http.StatusOK, http.StatusNoContent:
		if len(bytes.TrimSpace(data)) == 0 {
			return nil, nil
		}
		compact, err := strict.Compact(data)
		if err != nil {
			return nil, fmt.Errorf("the answer is not JSON: %w", err)
		}
		return compact, nil
	}
	var failed struct {
		Error struct {
			Code    maru.Code `json:"code"`
			Message string    `json:"message"`
		} `json:"error"`
	}
	if answer.StatusCode/100 == 4 {
		if strict.DecodeKnown(data, &failed) == nil && failed.Error.Code != "" {
			return nil, maru.NewError(failed.Error.Code, failed.Error.Message)
		}
		if answer.StatusCode == http.StatusNotFound {
			return nil, errNoMethod
		}
	}
	return nil, fmt.Errorf("the back end answered %s, not 200", answer.Status)
}
