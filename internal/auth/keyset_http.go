package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// maxKeySetAnswer bounds a key set, in bytes.
const maxKeySetAnswer = 1 << 20

// keySetAt returns a function that fetches the key set at a URL. The error is about the URL.
func keySetAt(at string) (func(ctx context.Context) ([]byte, error), error) {
	if err := checkURL("key set", at); err != nil {
		return nil, err
	}
	client := &http.Client{CheckRedirect: secureRedirect}
	return func(ctx context.Context) ([]byte, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
		if err != nil {
			return nil, err
		}
		answer, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("the answer is %s, not 200", answer.Status)
		}
		data, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySetAnswer+1))
		if err == nil && len(data) > maxKeySetAnswer {
			err = errors.New("the key set is larger than 1 MiB")
		}
		return data, err
	}, nil
}

// checkURL reports a URL of something that cannot be asked over HTTP.
func checkURL(of, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("auth: the URL of the " + of + " must begin with http:// or https:// and have a host")
	}
	return nil
}

// secureRedirect follows no redirect to another scheme: over plain http anybody on the way
// could change the answer.
func secureRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 3 || via[0].URL.Scheme != r.URL.Scheme {
		return errors.New("redirected more than three times, or to another scheme")
	}
	return nil
}
