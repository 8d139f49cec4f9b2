package bench_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"maru.example/maru/internal/bench"
)

var update = flag.Bool("update", false, "write the golden files")

// checkPage holds a page to what it promises: it stands alone, what it is given is
// escaped, and its charts are well formed and without numbers that are none.
func checkPage(t *testing.T, page string) {
	t.Helper()
	for _, bad := range []string{"<script", "src=", "href=", "@import", "url(", "NaN", "Inf", "%!"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page holds %s", bad)
		}
	}
	if strings.Count(page, "http") != strings.Count(page, "http-equiv") {
		t.Error("the page holds an address")
	}
	charts := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(page, -1)
	if len(charts) == 0 {
		t.Error("no chart")
	}
	for _, chart := range charts {
		d := xml.NewDecoder(strings.NewReader(chart))
		for err := error(nil); !errors.Is(err, io.EOF); {
			if _, err = d.Token(); err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%v in %s", err, chart)
			}
		}
	}
}

// result is one with every part, all figures of its own.
func result() *bench.Result {
	return &bench.Result{
		Mode: bench.Fanout, Unit: "delivery", URL: "ws://127.0.0.1:3000/channels/bench", Command: "maru bench fanout",
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Connections: 1000,
		Settings: []bench.Setting{{Name: "connections", Value: "1,000"}, {Name: "messages", Value: "128 bytes, 80 publications a second"}},
		Opening:  &bench.Opening{Seconds: 0.25, Rate: 4000, CPU: 35.5},
		Seconds:  2, Done: 160000, Rate: 80000, Sent: 240, Behind: 80,
		Latency: &bench.Latency{
			What: "from when the publication was due until it is there", Count: 160000, Min: 100, Mean: 950,
			P50: 800, P90: 2000, P99: 7500, P999: 12500, Max: 16000,
			Buckets: []bench.LatencyBucket{{Le: 1000, Count: 100000}, {Le: 1091, Count: 0}, {Le: 16384, Count: 60000}},
		},
		Server: &bench.Server{
			PID: 42, Name: "maru", CPU: 1.6, UserCPU: 0.1, CPUShare: 0.8, PerUnit: 10, UserPerUnit: 0.625,
			RSSBefore: 12 << 20, RSSOpen: 13 << 20, RSSAfter: 14 << 20, PerConnection: 1048.6,
		},
		Last:    &bench.Latency{What: "from publishing until all subscribers have it", Count: 160, Min: 9000, Mean: 11000, P50: 10000, P90: 12000, P99: 15000, P999: 16000, Max: 16000, Buckets: []bench.LatencyBucket{{Le: 16384, Count: 160}}},
		Beside:  []bench.Used{{PID: 43, Name: "nats-server", CPU: 0.2, UserCPU: 0.15, PerUnit: 1.25, UserPerUnit: 0.94}},
		ToolCPU: 0.95,
		Machine: bench.Machine{Processor: "A processor", Cores: 2, Kernel: "Linux 6.1", Go: "go1.26"},
		Timeline: []bench.Sample{
			{At: 0.1, Phase: "open", Connections: 500, RSS: 12 << 20, CPU: 0.5},
			{At: 0.2, Phase: "measured", Connections: 1000, Rate: 80000, RSS: 13 << 20, CPU: 0.8},
			{At: 0.3, Phase: "drain", Connections: 1000, RSS: 14 << 20},
		},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test ./internal/bench -update writes it anew):\n%s", path, got)
	}
}

// The JSON is what programs read: its names do not change unnoticed.
func TestJSON(t *testing.T) {
	t.Parallel()
	r := result()
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "result.json", append(got, '\n'))
	var back bench.Result
	if err := json.Unmarshal(got, &back); err != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	var text bytes.Buffer
	if err := result().Write(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "result.txt", text.Bytes())
}

func TestPageTells(t *testing.T) {
	t.Parallel()
	partial, faulty := result(), result()
	partial.Partial = true
	faulty.Partial, faulty.Faults = true, bench.Faults{Lost: 3, First: "connection 7 got message <9>"}
	for _, tt := range []struct {
		result *bench.Result
		want   []string
	}{
		{result(), []string{"Fan-out to 1,000", "A processor, 2 cores", "Linux 6.1", "go1.26", "maru bench fanout", "p99.9", "80,000", "prefers-color-scheme: dark"}},
		{partial, []string{"Partial."}},
		{faulty, []string{"Failed.", "&lt;9&gt;", "3 lost"}},
	} {
		var page bytes.Buffer
		if err := tt.result.WriteHTML(&page); err != nil {
			t.Fatal(err)
		}
		checkPage(t, page.String())
		for _, want := range tt.want {
			if !strings.Contains(page.String(), want) {
				t.Errorf("no %q in the page", want)
			}
		}
	}
}

// A scale has three to six steps for any range.
func TestNiceStep(t *testing.T) {
	t.Parallel()
	for _, binary := range []bool{false, true} {
		for top := 1e-3; top < 1e12; top *= 1.37 {
			if steps := top / bench.NiceStep(top, binary); steps < 2 || steps > 6.0001 {
				t.Errorf("%v steps to %v", steps, top)
			}
		}
	}
}
