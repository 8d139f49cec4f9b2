package cluster_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// apiKey is a back end's, and apiKeyHash what maru has of it.
const apiKey = "maru_a-key-for-the-test-that-nobody-uses-elsewhere"

func apiKeyHash() string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(apiKey))) }

// status is that of a GET, and 0 if nobody answers.
func status(url string) int {
	r, err := (&http.Client{Timeout: 2 * time.Second}).Get(url)
	if err != nil {
		return 0
	}
	r.Body.Close()
	return r.StatusCode
}

// publish publishes until it succeeds: a namespace whose owner dies takes nothing for five seconds.
func publish(t *testing.T, url, text string) {
	t.Helper()
	last := ""
	waitFor(t, "publication of "+text, func() bool {
		r, err := http.NewRequest("POST", url, strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+apiKey)
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Idempotency-Key", text)
		answer, err := (&http.Client{Timeout: 15 * time.Second}).Do(r)
		if err != nil {
			last = err.Error()
			return false
		}
		answer.Body.Close()
		if last = answer.Status; answer.StatusCode/100 == 4 {
			t.Fatalf("publishing %s: %s", text, last)
		}
		return answer.StatusCode == http.StatusOK
	})
}

// A reader is an event stream that comes back, as a browser's does.
type reader struct {
	mu        sync.Mutex
	connected bool // there was a block: it gets what is published from now on
	got       []string
}

func follow(t *testing.T, url string) *reader {
	r := new(reader)
	ctx, cancel := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		id := ""
		for ctx.Err() == nil {
			id = r.read(ctx, url, id)
			time.Sleep(100 * time.Millisecond)
		}
	})
	t.Cleanup(func() { cancel(); reading.Wait() })
	return r
}

// read reads one response and returns the last id.
func (r *reader) read(ctx context.Context, url, id string) string {
	request, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	if id != "" {
		request.Header.Set("Last-Event-ID", id)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return id
	}
	defer response.Body.Close()
	event := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "":
			event = ""
			r.mu.Lock()
			r.connected = true
			r.mu.Unlock()
		case "id":
			id = value
		case "event":
			event = value
		case "data":
			if event == "" || event == "message" {
				r.mu.Lock()
				r.got = append(r.got, value)
				r.mu.Unlock()
			}
		}
	}
	return id
}

func (r *reader) isConnected() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.connected
}

func (r *reader) has(want ...string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Equal(r.got, want)
}
