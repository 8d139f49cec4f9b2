package handshake_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/internal/handshake"
)

// Every part of Dial ends with the time-out, which is 30 s by default: connecting, each kind
// of proxy, TLS and the answer.
func TestDialTimeout(t *testing.T) {
	t.Parallel()
	silent := func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go func() {
			bufio.NewReader(far).ReadByte() // and reads no more
		}()
		return near, nil
	}
	stuck := func(ctx context.Context, _, _ string) (net.Conn, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	for name, test := range map[string]struct {
		url, proxy string
		dial       func(context.Context, string, string) (net.Conn, error)
	}{
		"connecting":       {"ws://maru.test.example", "", stuck},
		"answer":           {"ws://maru.test.example", "", silent},
		"TLS":              {"wss://maru.test.example", "", silent},
		"connecting proxy": {"ws://maru.test.example", "http://proxy", stuck},
		"http proxy":       {"ws://maru.test.example", "http://proxy", silent},
		"https proxy":      {"ws://maru.test.example", "https://proxy", silent},
		"socks proxy":      {"ws://maru.test.example", "socks5://proxy", silent},
	} {
		for said, timeout := range map[time.Duration]time.Duration{0: 30 * time.Second, 5 * time.Second: 5 * time.Second, -1: time.Hour} {
			t.Run(name+" "+said.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					o := handshake.DialOptions{NetDial: test.dial, Timeout: said}
					if test.proxy != "" {
						u, err := url.Parse(test.proxy)
						if err != nil {
							t.Fatal(err)
						}
						o.Proxy = http.ProxyURL(u)
					}
					began := time.Now()
					_, resp, err := handshake.Dial(ctx, test.url, o)
					if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || resp != nil || took != timeout {
						t.Errorf("after %v: %v", took, err)
					}
				})
			})
		}
	}
}
