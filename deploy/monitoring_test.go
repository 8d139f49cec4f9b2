package deploy_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"maru.example/maru/broker/cluster"
	"maru.example/maru/server"
	own "maru.example/maru/tests/e2e/program"
	"maru.example/maru/tests/natstest"
)

// dashboard is what the tests read of dashboard.json.
type dashboard struct {
	UID, Title string
	Panels     []panel
}

type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct{ Expr string }
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// expressions are all of the dashboard and of the alert rules, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, p := range readDashboard(t).Panels {
		for i, target := range p.Targets {
			all[fmt.Sprintf("the panel %q, %d", p.Title, i+1)] = target.Expr
		}
	}
	rules, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, rest := range alerts(string(rules)) {
		_, expr, _ := strings.Cut(rest, "expr: ")
		expr, _, _ = strings.Cut(expr, "\n        for:")
		expr, _, _ = strings.Cut(expr, "\n        labels:")
		all["the alert "+name] = expr
	}
	return all
}

// alerts are the rules of a file, by name.
func alerts(rules string) map[string]string {
	all := make(map[string]string)
	for _, rule := range strings.Split(rules, "- alert: ")[1:] {
		name, rest, _ := strings.Cut(rule, "\n")
		all[name] = rest
	}
	return all
}

// exported are the metrics of a server that has had a client, with the labels of each.
func exported(t *testing.T) map[string][]string {
	t.Helper()
	secure := httptest.NewUnstartedServer(nil)
	secure.StartTLS() // for its certificate
	defer secure.Close()
	live, err := server.New(server.Options{Open: true, Loopback: true, TLSConfig: secure.TLS.Clone(),
		Broker: cluster.Join(cluster.Servers{URLs: []string{natstest.URL(t)}}, cluster.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	defer live.Shutdown(t.Context())
	for _, path := range []string{"/?wait=1ms&since=0", "/?wait=1ms"} { // disconnections have no samples before the first
		live.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://localhost"+path, nil))
	}
	answer := httptest.NewRecorder()
	live.Status().ServeHTTP(answer, httptest.NewRequest("GET", "http://localhost/metrics", nil))
	all := map[string][]string{"up": nil} // Prometheus' own
	label := regexp.MustCompile(`(\w+)="`)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, _, _ := strings.Cut(lines.Text(), " ")
		name, labels, _ := strings.Cut(name, "{")
		if name == "#" {
			continue
		}
		all[name] = []string{"job", "instance"}
		for _, m := range label.FindAllStringSubmatch(labels, -1) {
			all[name] = append(all[name], m[1])
		}
	}
	if len(all) < 50 {
		t.Fatalf("%d metrics: %s", len(all), answer.Body)
	}
	return all
}

// Issue 15 §18: each metric and label that the dashboard and the alert rules name is one of
// /metrics.
func TestMonitoringNamesExist(t *testing.T) {
	t.Parallel()
	metrics := exported(t)
	selector := regexp.MustCompile(`\b((?:maru|process|go)_\w+|up)\b(?:\{([^}]*)\})?`)
	matcher := regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	used := make(map[string]bool)
	for at, expr := range expressions(t) {
		found := selector.FindAllStringSubmatch(expr, -1)
		if len(found) == 0 {
			t.Errorf("%s has no metric: %s", at, expr)
		}
		for _, m := range found {
			labels, exists := metrics[m[1]]
			if !exists {
				t.Errorf("%s: /metrics has no %s", at, m[1])
				continue
			}
			used[m[1]] = true
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if m[1] != "up" && !slices.Contains(labels, l[1]) {
					t.Errorf("%s: %s has no label %s, only %v", at, m[1], l[1], labels)
				}
			}
		}
	}
	if len(used) < 30 {
		t.Errorf("only %d metrics are used", len(used))
	}
}

// Each alert has a test in which it fires, a severity, and annotations that say where to look.
func TestAlertsAreComplete(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for name, rule := range alerts(string(rules)) {
		for _, want := range []string{"severity: ", "summary: ", "description: "} {
			if !strings.Contains(rule, want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if !strings.Contains(string(tests), `alertname="`+name+`"`) || !strings.Contains(string(tests), "alertname: "+name) {
			t.Errorf("%s is not tested: it must fire in one test, and not in another", name)
		}
	}
}

// Panels do not overlap, have titles, and are told apart.
func TestDashboardLayout(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.UID != "maru" || d.Title == "" || len(d.Panels) < 20 {
		t.Errorf("%q %q with %d panels", d.UID, d.Title, len(d.Panels))
	}
	taken, ids := make(map[[2]int]string), make(map[int]bool)
	for _, p := range d.Panels {
		if p.Title == "" || ids[p.ID] || p.Type != "row" && len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%q lies over %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}

// Prometheus accepts the rules, they fire when they should, and it can read each expression of the
// dashboard.
func TestPromtool(t *testing.T) {
	own.InOwnStep(t)
	queries := "groups:\n- name: dashboard\n  rules:\n"
	for i, p := range readDashboard(t).Panels {
		for j, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$job", "maru", "$instance", ".*").Replace(target.Expr)
			quoted, _ := json.Marshal(expr)
			queries += fmt.Sprintf("  - record: panel:%d:%d\n    expr: %s\n", i, j, quoted)
		}
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(queries), 0o644); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.yml")
	rules, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, []byte(strings.Replace(string(rules), "maru_overloaded == 1", "maru_overloaded == 2", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	tests, err := os.ReadFile("alerts_test.yml")
	if err != nil {
		t.Fatal(err)
	}
	blind := filepath.Join(filepath.Dir(broken), "blind.yml")
	if err := os.WriteFile(blind, []byte(strings.Replace(string(tests), "[alerts.yml]", "["+broken+"]", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		ok   bool
	}{
		{[]string{"check", "rules", "alerts.yml"}, true},
		{[]string{"test", "rules", "alerts_test.yml"}, true},
		{[]string{"check", "rules", file}, true},
		{[]string{"test", "rules", blind}, false}, // the tests can fail
	} {
		out, err := exec.Command("promtool", tt.args...).CombinedOutput()
		if (err == nil) != tt.ok {
			t.Errorf("promtool %v: %v\n%s", tt.args, err, out)
		}
	}
}
