package server_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
	"maru.example/maru/server"
)

// scrape reads the metrics of a server, by name and labels, like
// maru_connections{transport="sse"}.
func scrape(t *testing.T, h http.Handler) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	numbers := make(map[string]string)
	for lines := bufio.NewScanner(w.Body); lines.Scan(); {
		if line := lines.Text(); !strings.HasPrefix(line, "#") {
			i := strings.LastIndexByte(line, ' ')
			numbers[line[:i]] = line[i+1:]
		}
	}
	return numbers
}

func TestMetrics(t *testing.T) {
	over(t, server.Options{MaxConnections: 100, MaxMemory: 1 << 40}, func(t *testing.T, w *world) {
		raw, gone, full := w.dial("/channels/a"), w.dial("/channels/b"), w.dialFull()
		events, presence := w.events("/channels/a"), w.events("/channels/a/presence")
		gone.send(frame.Close, "\x03\xe8")
		gone.next()
		raw.send(frame.Text, "12345")
		raw.next()
		events.block()
		for range 2 {
			w.request("POST", "/channels/a", "678", "Idempotency-Key: once")
			full.send(frame.Text, `{"id":2,"publish":{"channel":"c","data":"90","version":5}}`)
			full.next()
		}
		full.send(frame.Text, `{"id":3,"rpc":{"method":"none"}}`)
		full.next()
		w.request("GET", "/nothing", "")
		w.request("GET", "/", "", "Origin: https://evil.example")
		if status := w.upgrade("/channels/$x"); status != 403 {
			t.Errorf("upgraded: %d", status)
		}
		w.request("GET", "/channels/a?wait=1&since=1", "")

		if _, err := w.server.Publish(t.Context(), "invented:b", &maru.Publication{Data: []byte("1")}); err != nil {
			t.Error(err)
		}
		if err := w.server.Reload(server.Access{}); err != nil {
			t.Error(err)
		}
		w.server.Reload(server.Access{Namespaces: map[string]server.Namespace{}})
		w.server.ReloadFailed(errors.New("no such file"))

		want := map[string]string{
			`maru_connections{transport="websocket"}`:                          "1",
			`maru_connections{transport="maru.v1"}`:                            "1",
			`maru_connections{transport="sse"}`:                                "1",
			`maru_connections{transport="sse presence"}`:                       "1",
			`maru_connections{transport="poll"}`:                               "0",
			`maru_connections_limit`:                                           "100",
			`maru_disconnections_total{reason="closed",transport="websocket"}`: "1",
			`maru_disconnections_total{reason="answered",transport="poll"}`:    "1",
			`maru_http_errors_total{code="not_found"}`:                         "1",
			`maru_http_errors_total{code="not_allowed"}`:                       "2",
			`maru_command_errors_total{code="not_found"}`:                      "1",
			`maru_channels`:                                                 "1",
			`maru_subscriptions`:                                            "3",
			`maru_publications_total`:                                       "4",
			`maru_publication_bytes_total`:                                  "11",
			`maru_publications_repeated_total{reason="replayed"}`:           "1",
			`maru_publications_repeated_total{reason="stale"}`:              "1",
			`maru_publish_duration_seconds_count{way="http"}`:               "2",
			`maru_publish_duration_seconds_count{way="websocket"}`:          "1",
			`maru_publish_duration_seconds_count{way="maru.v1"}`:            "2",
			`maru_publish_duration_seconds_count{way="program"}`:            "1",
			`maru_publish_duration_seconds_bucket{way="program",le="+Inf"}`: "1",
			`maru_connections_opened_total{transport="websocket"}`:          "2",
			`maru_connections_opened_total{transport="poll"}`:               "1",
			`maru_namespace_connections{namespace="default"}`:               "3",
			`maru_namespace_connections{namespace="(other)"}`:               "0",
			`maru_namespace_subscriptions{namespace="default"}`:             "3",
			`maru_namespace_publications_total{namespace="default"}`:        "3",
			`maru_namespace_publications_total{namespace="(other)"}`:        "1",
			`maru_namespace_drops_total{namespace="default",reason="slow"}`: "0",
			`maru_history_disk_bytes`:                                       "0",
			`maru_reloads_total{result="ok"}`:                               "1",
			`maru_reloads_total{result="failed"}`:                           "2",
			`maru_reload_failed`:                                            "1",
			`maru_key_set_reads_total{result="ok"}`:                         "0",
			`maru_connect_webhook_errors_total{reason="failed"}`:            "0",
			`maru_rpc_duration_seconds_count`:                               "0",
			`maru_history_publications`:                                     "4",
			`maru_memory_limit_bytes`:                                       "1.099511627776e+12",
			`maru_overloaded`:                                               "0",
			`maru_draining`:                                                 "0",
		}
		var wrong []string
		for end := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) { // some change later than the client can see
			got := scrape(t, w.server)
			wrong = nil
			for name, value := range want {
				if got[name] != value {
					wrong = append(wrong, fmt.Sprintf("%s is %s, want %s", name, got[name], value))
				}
			}
			for _, rises := range []string{"maru_socket_deliveries_total", "maru_socket_writes_total", "maru_socket_sent_bytes_total", "maru_socket_received_bytes_total",
				"maru_memory_used_bytes", "maru_delivery_duration_seconds_count", "maru_delivery_duration_seconds_sum", `maru_namespace_deliveries_total{namespace="default"}`,
				"maru_reload_last_success_timestamp_seconds", "maru_history_bytes", "go_goroutines", "process_open_fds"} {
				if got[rises] == "" || got[rises] == "0" {
					wrong = append(wrong, rises+" is "+got[rises])
				}
			}
			if len(wrong) == 0 || time.Now().After(end) {
				break
			}
		}
		if len(wrong) > 0 {
			t.Error(strings.Join(wrong, "\n"))
		}
		events.body.Close()
		presence.body.Close()
	})
}

// Names and helps follow the rules of Prometheus.
func TestMetricsLint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{})
	w.request("GET", "/?wait=1ms&since=0", "") // one that has ended
	problems, err := promlint.New(w.request("GET", "/metrics", "").Body).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "maru_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// With rules, or with an address of their own for metrics, /metrics needs an API key.
func TestWhoReadsMetrics(t *testing.T) {
	t.Parallel()
	closed := guarded()
	apart := server.Options{KeyedMetrics: true, Access: server.Access{APIKeys: []string{keyHash}}}
	for name, tt := range map[string]struct {
		o      server.Options
		header string
		status int
	}{
		"open":                       {server.Options{}, "", 200},
		"rules":                      {closed, "", 403},
		"rules, API key":             {closed, bearer(apiKey), 200},
		"rules, somebody's token":    {closed, bearer(token(t, "kim", "", time.Hour)), 403},
		"rules, what is no token":    {closed, bearer("x"), 401},
		"open, but apart":            {apart, "", 403},
		"open, but apart, API key":   {apart, bearer(apiKey), 200},
		"rules, from another origin": {closed, "Origin: https://evil.example", 403},
	} {
		w := newWorld(t, tt.o)
		var headers []string
		if tt.header != "" {
			headers = []string{tt.header}
		}
		if answer := w.request("GET", "/metrics", "", headers...); answer.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, answer.Status, tt.status)
		}
	}
}

// Status needs no authentication, works even after Shutdown, and serves nothing else.
func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t, guarded())
	status := w.server.Status()
	answers := func(when string, ready int) {
		t.Helper()
		for request, want := range map[string]int{
			"GET /metrics": 200, "GET /healthz": 200, "GET /readyz": ready, "HEAD /metrics": 200,
			"GET /": 404, "GET /channels/a": 404, "POST /metrics": 405, "POST /admin/disconnect": 404,
		} {
			method, path, _ := strings.Cut(request, " ")
			answer := httptest.NewRecorder()
			status.ServeHTTP(answer, httptest.NewRequest(method, "http://10.0.0.1:9090"+path, nil))
			if answer.Code != want {
				t.Errorf("%s, %s: %d %s", when, request, answer.Code, answer.Body)
			}
		}
	}
	answers("running", 200)
	w.server.Drain(t.Context(), time.Second)
	answers("drained", 503)
	w.shutdown()
	answers("shut down", 503)
	if got := scrape(t, status)["maru_draining"]; got != "1" {
		t.Errorf("draining: %s", got)
	}
}

var update = flag.Bool("update", false, "write the table of docs/operating.md anew")

// The table of docs/operating.md is made from the metrics themselves:
//
//	go test ./server -run TestMetricsDocument -update
func TestMetricsDocument(t *testing.T) {
	t.Parallel()
	const path, begin, end = "../docs/operating.md", "<!-- metrics -->\n", "<!-- end -->\n"
	w := newWorld(t, server.Options{})
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no markers for the table", path)
	}
	want := before + begin + metricsTable(t, w.server) + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s does not match the metrics: run the test with -update", path)
	}
}

func metricsTable(t *testing.T, s *server.Server) string {
	var rows []string
	for _, m := range s.Metrics() {
		name := "`" + m.Name + "`"
		if m.Labels != nil {
			name += " by " + strings.Join(m.Labels, ", ")
		}
		rows = append(rows, fmt.Sprintf("| %s | %s |\n", name, m.Help))
	}
	return "| metric | |\n|---|---|\n" + strings.Join(rows, "")
}

// Issue 14 §15: an address of its own checks host names as all others do, also behind a proxy on
// loopback.
func TestStatusHost(t *testing.T) {
	t.Parallel()
	named := guarded()
	named.Hosts = []string{"live.example"}
	for name, tt := range map[string]struct {
		options server.Options
		host    string
		want    int
	}{
		"without rules, a name":      {server.Options{Open: true}, "evil.example:9090", 421},
		"without rules, an address":  {server.Options{Open: true, Loopback: true}, "10.0.0.1:9090", 200},
		"with Hosts, another name":   {named, "evil.example", 421},
		"with Hosts, one of them":    {named, "live.example:9090", 200},
		"with rules and without any": {guarded(), "maru:9090", 200},
		"AnyHost":                    {server.Options{Open: true, AnyHost: true}, "maru:9090", 200},
	} {
		status := newWorld(t, tt.options).server.Status()
		for _, path := range []string{"/metrics", "/healthz"} {
			request := httptest.NewRequest("GET", path, nil)
			request.Host = tt.host
			answer := httptest.NewRecorder()
			if status.ServeHTTP(answer, request); answer.Code != tt.want {
				t.Errorf("%s: GET %s: %d, want %d", name, path, answer.Code, tt.want)
			}
		}
	}
}
