package interop_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/tests/e2e/program"
)

var client = http.Client{
	Timeout:   program.Patience,
	Transport: &http.Transport{TLSClientConfig: trusting},
}

// publish publishes as a back end does.
func publish(t testing.TB, url, contentType, body string) {
	t.Helper()
	answer, err := client.Post(url, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, _ := io.ReadAll(answer.Body); answer.StatusCode != http.StatusOK {
		t.Fatalf("publish: %s: %s", answer.Status, said)
	}
}

type history struct {
	Epoch        string
	Offset       uint64
	Publications []maru.Publication
	Gap          *maru.Gap
}

func historyOf(t testing.TB, url, query string) (h history) {
	t.Helper()
	answer, err := client.Get(url + query)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("history: %s", answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(&h); err != nil {
		t.Fatal(err)
	}
	return h
}
