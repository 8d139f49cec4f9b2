package main

import "maru.example/maru/internal/bench"

// figures is what is kept of a measurement. Times are microseconds, memory is bytes;
// figures that a scenario does not have are 0.
type figures struct {
	CPU     float64 `json:"cpu,omitempty"` // of the server, for each unit
	User    float64 `json:"user,omitempty"`
	Rate    float64 `json:"rate,omitempty"` // units a second
	P50     float64 `json:"p50,omitempty"`
	P99     float64 `json:"p99,omitempty"`
	P999    float64 `json:"p99_9,omitempty"`
	Memory  float64 `json:"memory,omitempty"`   // for each connection
	RSS     float64 `json:"rss,omitempty"`      // with all open
	Opening float64 `json:"opening,omitempty"`  // CPU to open a connection
	Share   float64 `json:"share,omitempty"`    // of a core
	Writes  float64 `json:"writes,omitempty"`   // system calls for each delivery
	Tool    float64 `json:"tool,omitempty"`     // of a core: the load tool's own
	Last50  float64 `json:"last_p50,omitempty"` // until the last subscriber has it
	Last99  float64 `json:"last_p99,omitempty"`
	Nodes   float64 `json:"nodes,omitempty"`  // CPU of the cluster's other nodes, for each unit
	NATS    float64 `json:"nats,omitempty"`   // the same of its servers of NATS
	Behind  float64 `json:"behind,omitempty"` // the longest that the tool published late
}

func figuresOf(r *bench.Result) *figures {
	f := &figures{Rate: r.Rate, Tool: r.ToolCPU, Behind: r.Behind}
	if s := r.Server; s != nil {
		f.CPU, f.User, f.Share = s.PerUnit, s.UserPerUnit, s.CPUShare
		f.Memory, f.RSS = s.PerConnection, float64(s.RSSAfter)
	}
	if r.Opening != nil {
		f.Opening = r.Opening.CPU
	}
	if l := r.Latency; l != nil {
		f.P50, f.P99, f.P999 = l.P50, l.P99, l.P999
	}
	if l := r.Last; l != nil {
		f.Last50, f.Last99 = l.P50, l.P99
	}
	return f
}

// beside adds what the processes beside the server used.
func (f *figures) beside(r *bench.Result, w *world) {
	for i, u := range r.Beside {
		if i < len(w.nodes) {
			f.Nodes += u.PerUnit
		} else {
			f.NATS += u.PerUnit
		}
	}
}

// figure is one that servers are compared by.
type figure struct {
	title    string
	decimals int
	of       func(*figures) float64
}

var (
	cpu     = figure{title: "µs of CPU for each", decimals: 2, of: func(f *figures) float64 { return f.CPU }}
	user    = figure{title: "of it user", decimals: 3, of: func(f *figures) float64 { return f.User }}
	rate    = figure{title: "a second", of: func(f *figures) float64 { return f.Rate }}
	p50     = figure{title: "p50 ms", decimals: 2, of: func(f *figures) float64 { return f.P50 / 1e3 }}
	p99     = figure{title: "p99 ms", decimals: 2, of: func(f *figures) float64 { return f.P99 / 1e3 }}
	p999    = figure{title: "p99.9 ms", decimals: 2, of: func(f *figures) float64 { return f.P999 / 1e3 }}
	memory  = figure{title: "bytes for a connection", of: func(f *figures) float64 { return f.Memory }}
	open    = figure{title: "MiB with all open", decimals: 1, of: func(f *figures) float64 { return f.RSS / (1 << 20) }}
	opening = figure{title: "µs of CPU to open one", decimals: 1, of: func(f *figures) float64 { return f.Opening }}
	writes  = figure{title: "write calls for a delivery", decimals: 4, of: func(f *figures) float64 { return f.Writes }}
	last50  = figure{title: "last subscriber, p50 ms", decimals: 2, of: func(f *figures) float64 { return f.Last50 / 1e3 }}
	last99  = figure{title: "p99 ms", decimals: 2, of: func(f *figures) float64 { return f.Last99 / 1e3 }}
	nodes   = figure{title: "µs of the other nodes", decimals: 2, of: func(f *figures) float64 { return f.Nodes }}
	nats    = figure{title: "µs of NATS", decimals: 2, of: func(f *figures) float64 { return f.NATS }}
	total   = figure{title: "µs of CPU in all for each", decimals: 1, of: func(f *figures) float64 { return f.CPU + f.Nodes + f.NATS }}
	share   = figure{title: "% of a core", decimals: 2, of: func(f *figures) float64 { return 100 * f.Share }}
)
