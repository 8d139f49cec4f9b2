package bench

import (
	"fmt"
	"net/url"
	"time"
)

// Result is the result of a run. Its JSON is an interface: fields may be added, not changed. Times are microseconds where the name ends with _us, otherwise
// seconds; memory is bytes.
type Result struct {
	Mode        Mode      `json:"mode"`
	Unit        string    `json:"unit"` // the unit that is counted: connect, delivery, echo, publication; Idle counts nothing
	URL         string    `json:"url"`  // without a password
	Command     string    `json:"command,omitempty"`
	Started     time.Time `json:"started"`
	Partial     bool      `json:"partial"` // it was ended early
	Connections int       `json:"connections"`
	Settings    []Setting `json:"settings"`

	Opening *Opening `json:"opening,omitempty"` // nil for Connect

	Seconds float64 `json:"seconds"`    // of the measured part
	Done    int64   `json:"done"`       // units in that time
	Rate    float64 `json:"per_second"` // units
	Sent    int64   `json:"sent"`       // messages, publications or connects in all phases
	Behind  float64 `json:"behind_us"`  // with a rate: the longest delay of a publication by this tool
	Faults  Faults  `json:"faults"`

	Latency *Latency `json:"latency,omitempty"`
	Last    *Latency `json:"last,omitempty"` // Fanout with a window: until all subscribers have a publication
	Server  *Server  `json:"server,omitempty"`
	Beside  []Used   `json:"beside,omitempty"` // in the order of Options.Beside
	ToolCPU float64  `json:"tool_cpu"`         // of this tool, of one core; near 1 the tool was the limit
	Machine Machine  `json:"machine"`

	Timeline []Sample `json:"timeline"`
}

// Setting is an option of the run, in words.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Opening is how the connections were opened.
type Opening struct {
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"per_second"`
	CPU     float64 `json:"server_cpu_us,omitempty"` // of the server, per connection
}

// Faults counts errors. The first one ends the run.
type Faults struct {
	Lost     int64  `json:"lost"`
	Repeated int64  `json:"repeated"` // or out of order
	Damaged  int64  `json:"damaged"`  // other bytes than were sent, or to the wrong connection
	Closed   int64  `json:"closed"`   // connections that the server closed
	Failed   int64  `json:"failed"`   // connects or publish requests that failed; or the server's process has ended
	First    string `json:"first,omitempty"`
}

// Latency has quantiles and a histogram of durations.
type Latency struct {
	What    string          `json:"what"`
	Count   uint64          `json:"count"`
	Min     float64         `json:"min_us"`
	Mean    float64         `json:"mean_us"`
	P50     float64         `json:"p50_us"`
	P90     float64         `json:"p90_us"`
	P99     float64         `json:"p99_us"`
	P999    float64         `json:"p99_9_us"`
	Max     float64         `json:"max_us"`
	Buckets []LatencyBucket `json:"buckets"` // equally wide on a logarithmic scale, 8 to each doubling
}

const bucketsPerDoubling = 8 // in the result

// LatencyBucket counts durations above the previous bucket, up to Le.
type LatencyBucket struct {
	Le    float64 `json:"le_us"`
	Count uint64  `json:"count"`
}

// Server has the CPU and memory of the server's process.
type Server struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`

	// In the measured time, on the process's own clock.
	CPU         float64 `json:"cpu"`
	UserCPU     float64 `json:"user_cpu"`
	CPUShare    float64 `json:"cpu_share"` // of one core
	PerUnit     float64 `json:"cpu_per_unit_us,omitempty"`
	UserPerUnit float64 `json:"user_cpu_per_unit_us,omitempty"`

	RSSBefore     int64   `json:"rss_before"` // before the first connection
	RSSOpen       int64   `json:"rss_open"`   // when all connections were open
	RSSAfter      int64   `json:"rss_after"`  // at the end of the measured time
	PerConnection float64 `json:"bytes_per_connection,omitempty"`
}

// Used is the CPU of a process beside the server's, in the measured time.
type Used struct {
	PID         int     `json:"pid"`
	Name        string  `json:"name"`
	CPU         float64 `json:"cpu"`
	UserCPU     float64 `json:"user_cpu"`
	PerUnit     float64 `json:"cpu_per_unit_us,omitempty"`
	UserPerUnit float64 `json:"user_cpu_per_unit_us,omitempty"`
}

// Machine describes the machine.
type Machine struct {
	Processor string `json:"processor"`
	Cores     int    `json:"cores"`
	Kernel    string `json:"kernel"`
	Go        string `json:"go"` // that built this tool
}

// Err is the first fault; nil if everything arrived as it should.
func (r *Result) Err() error {
	if r.Faults.First == "" {
		return nil
	}
	return fmt.Errorf("%s", r.Faults.First)
}

func latencyOf(h *Histogram, what string) *Latency {
	if h.Count() == 0 {
		return nil
	}
	l := &Latency{
		What: what, Count: h.Count(), Min: micros(h.Min()), Mean: micros(h.Mean()), Max: micros(h.Max()),
		P50: micros(h.Quantile(0.5)), P90: micros(h.Quantile(0.9)), P99: micros(h.Quantile(0.99)), P999: micros(h.Quantile(0.999)),
	}
	for _, b := range h.Buckets(bucketsPerDoubling) {
		l.Buckets = append(l.Buckets, LatencyBucket{micros(b.Le), b.Count})
	}
	return l
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// redacted is a URL without its password.
func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.User == nil {
		return raw
	}
	return u.Redacted()
}
