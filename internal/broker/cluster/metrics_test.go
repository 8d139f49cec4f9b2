package cluster_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

var update = flag.Bool("update", false, "write the table of docs/operating.md anew")

// The table of docs/operating.md is made from the metrics themselves:
//
//	go test ./internal/broker/cluster -run TestMetrics -update
func TestMetrics(t *testing.T) {
	t.Parallel()
	b := open(t, natsServers(t, 1)[0], cluster.Options{Prefix: prefix()})
	if _, err := maru.Publish(t.Context(), b, "news", &maru.Publication{Data: []byte("x")}, maru.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	table, values := "| metric | |\n|---|---|\n", make(map[string]float64)
	for _, m := range b.Metrics() {
		name := "`" + m.Name + "`"
		if m.Labels != nil {
			name += " by " + strings.Join(m.Labels, ", ")
		}
		table += fmt.Sprintf("| %s | %s |\n", name, m.Help)
		m.Read(func(value float64, labels ...string) { values[m.Name+strings.Join(labels, "")] = value })
	}
	for name, want := range map[string]float64{"maru_nats_connected": 1, "maru_nats_appends_total": 1, "maru_nats_servers": 1, "maru_nats_namespaces_owned": 1,
		"maru_nats_errors_totalaway": 0, "maru_nats_errors_totalfull": 0, "maru_nats_storage_limit_bytes": 0} {
		if got, there := values[name]; got != want || !there {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if values["maru_nats_append_seconds_total"] <= 0 {
		t.Error("the append took no time")
	}
	const path, begin, end = "../../../docs/operating.md", "<!-- metrics of NATS -->\n", "<!-- end of NATS -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	want := before + begin + table + end + after
	switch {
	case !found || !closed:
		t.Fatalf("%s has no markers for the table", path)
	case *update:
		if err := os.WriteFile(path, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	case want != string(page):
		t.Errorf("%s does not match the metrics: run the test with -update", path)
	}
}
