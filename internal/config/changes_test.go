package config_test

import (
	"fmt"
	"strings"
	"testing"

	"maru.example/maru/internal/config"
)

func TestChanges(t *testing.T) {
	t.Parallel()
	load := func(document string) *config.Serve {
		s := config.Defaults()
		if err := s.Load(write(t, document), nil); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"nothing": {"", "", ""},
		"layout":  {"history = 5", "\n# more\nhistory=5", ""},
		"options": {"", "publish-rate = 5\nhistory = 5\norigin = ['https://a.example']\nping-interval = '30s'\nbacklog = '2MiB'\nlog-level = 'debug'",
			"restart origin: none → https://a.example, restart backlog: 1MiB → 2MiB, restart history: 100 → 5, restart log-level: INFO → DEBUG, publish-rate: 0 → 5, restart ping-interval: 25s → 30s"},
		"lists":   {"listen = [':1']\nopen = true", "listen = [':1', ':2']\nopen = false", "restart listen: :1 → :1,:2, restart open: true → false"},
		"a URL":   {"", "connect-webhook = 'https://kim:secret@a.example/x'", "connect-webhook: none → https://kim:xxxxx@a.example/x"},
		"a rule":  {"[namespaces.a]\npublish = 'anyone'", "[namespaces.a]\nhistory = 'user'", "namespaces.a.publish: anyone → nobody, namespaces.a.history: nobody → user"},
		"tables":  {"[namespaces.a]\n[namespaces.b]", "[namespaces.b]\n[namespaces.c]", "namespaces.a: listed → removed, namespaces.c: none → added"},
		"retains": {"[namespaces.a]", "[namespaces.a]\nhistory_count = 3\nmax_hz = 2", "restart namespaces.a.history_count: none → 3, namespaces.a.max_hz: 0 → 2"},
	} {
		var got []string
		for _, change := range load(tt.from).Changes(load(tt.to)) {
			text := change.String()
			if change.Restart {
				text = "restart " + text
			}
			got = append(got, text)
		}
		want := strings.Split(tt.want, ", ")
		if tt.want == "" {
			want = nil
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
			continue
		}
		for _, change := range want {
			if !strings.Contains(fmt.Sprintf("%s,", strings.Join(got, ", ")), change+",") {
				t.Errorf("%s: no %q in %q", name, change, got)
			}
		}
	}
}
