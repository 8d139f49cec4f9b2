package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestMetricsListen(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
	metrics := regexp.MustCompile(`http://\S+/metrics`).FindString(live.stdout.String())
	address := strings.TrimSuffix(metrics, "/metrics")
	for url, want := range map[string]int{
		metrics: 200, address + "/healthz": 200, address + "/readyz": 200, address + "/channels/hall": 404,
		live.url + "/metrics": 403, live.url + "/healthz": 200, live.url + "/readyz": 200,
	} {
		answer, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s: %s, want %d", url, answer.Status, want)
		}
	}

	taken := call(t, "", nil, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", strings.TrimPrefix(address, "http://"))
	if taken.code != exitFailure || !strings.Contains(taken.stderr, "cannot listen") {
		t.Errorf("on an address that is taken: %+v", taken)
	}
}

func TestMetricsWhereEverythingIs(t *testing.T) {
	t.Parallel()
	live := start(t, nil, "serve", "--listen", "127.0.0.1:0")
	answer, err := http.Get(live.url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != 200 || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("%s %v", answer.Status, answer.Header)
	}
}
