package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// report is what a run found. In JSON: bytes, seconds, and microseconds of CPU.
type report struct {
	Time        time.Time `json:"time"`
	Command     string    `json:"command"`
	Processor   string    `json:"processor"`
	Cores       int       `json:"cores"`
	MemoryBytes int64     `json:"memory_bytes"`
	Kernel      string    `json:"kernel"`
	Go          string    `json:"go"`

	Connections int     `json:"connections"`
	Processes   int     `json:"server_processes"` // and as many of clients
	PerProcess  int     `json:"most_per_process"`
	Sockets     int64   `json:"sockets"` // the kernel's count, both ends and the listeners
	PingSeconds float64 `json:"ping_seconds"`

	Open struct {
		Seconds    float64 `json:"seconds"`
		PerSecond  float64 `json:"per_second"`
		ServerUser float64 `json:"server_user_cpu_us_each"`
		ServerAll  float64 `json:"server_cpu_us_each"`
		ClientAll  float64 `json:"client_cpu_us_each"`
		Others     float64 `json:"cores_used_by_others"`
	} `json:"open"`

	Memory struct {
		ServerEach      float64 `json:"server_resident_bytes_each"`
		ServerAnonymous float64 `json:"server_anonymous_bytes_each"`
		ServersBefore   int64   `json:"servers_resident_bytes_before"`
		ServersAfter    int64   `json:"servers_resident_bytes_after"`
		ClientEach      float64 `json:"client_resident_bytes_each"`
		AvailableBefore int64   `json:"available_bytes_before"`
		AvailableAfter  int64   `json:"available_bytes_after"`
		Machine         float64 `json:"machine_bytes_each"` // all that became less available
		Kernel          float64 `json:"kernel_bytes_each"`  // of it, what is no process's: both ends
		Slab            float64 `json:"slab_bytes_each"`    // as the kernel counts its small things
	} `json:"memory"`

	Publish struct {
		Bytes      int     `json:"bytes"`
		Published  int     `json:"publications"` // one into each server process
		Deliveries int     `json:"deliveries"`
		Seconds    float64 `json:"seconds"` // from the first publication to the last delivery
		PerSecond  float64 `json:"per_second"`
		ServerUser float64 `json:"server_user_cpu_us_each"`
		ServerAll  float64 `json:"server_cpu_us_each"`
		ClientAll  float64 `json:"client_cpu_us_each"`
		Others     float64 `json:"cores_used_by_others"`
	} `json:"publish"`

	idle, full, settled, after survey
	opened, published          time.Duration
}

func (r *report) begin(o options, perProcess int) {
	r.Time = time.Now().UTC().Truncate(time.Second)
	r.Command = fmt.Sprintf("go run ./million --connections %d --parallel %d --size %d --ping %v", o.Connections, o.Parallel, o.Size, o.Ping)
	r.Processor, r.Cores = processor()
	r.MemoryBytes = fields("/proc/meminfo")["MemTotal"] << 10
	r.Kernel, r.Go = kernel(), runtime.Version()
	r.Connections, r.PerProcess, r.PingSeconds = o.Connections, perProcess, o.Ping.Seconds()
	r.Publish.Bytes = o.Size
}

// work works the figures out.
func (r *report) work() {
	n := float64(r.Connections)
	micros := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 / n }
	bytes := func(from, to int64) float64 { return float64(to-from) / n }

	r.Open.Seconds, r.Open.PerSecond = r.opened.Seconds(), n/r.opened.Seconds()
	r.Open.ServerUser = micros(r.full.servers.user - r.idle.servers.user)
	r.Open.ServerAll = micros(r.full.servers.cpu() - r.idle.servers.cpu())
	r.Open.ClientAll = micros(r.full.clients.cpu() - r.idle.clients.cpu())
	r.Open.Others = others(r.idle, r.full)

	m := &r.Memory
	m.ServersBefore, m.ServersAfter = r.idle.servers.resident, r.settled.servers.resident
	m.ServerEach = bytes(m.ServersBefore, m.ServersAfter)
	m.ServerAnonymous = bytes(r.idle.servers.anonymous, r.settled.servers.anonymous)
	m.ClientEach = bytes(r.idle.clients.resident, r.settled.clients.resident)
	m.AvailableBefore, m.AvailableAfter = r.idle.machine.available, r.settled.machine.available
	m.Machine = bytes(m.AvailableAfter, m.AvailableBefore)
	m.Kernel = m.Machine - m.ServerEach - m.ClientEach
	m.Slab = bytes(r.idle.machine.slab, r.settled.machine.slab)

	p := &r.Publish
	p.Published, p.Deliveries = r.Processes, r.Connections
	p.Seconds, p.PerSecond = r.published.Seconds(), n/r.published.Seconds()
	p.ServerUser = micros(r.after.servers.user - r.settled.servers.user)
	p.ServerAll = micros(r.after.servers.cpu() - r.settled.servers.cpu())
	p.ClientAll = micros(r.after.clients.cpu() - r.settled.clients.cpu())
	p.Others = others(r.settled, r.after)
}

func (r *report) write(w io.Writer, asJSON bool) error {
	r.work()
	if asJSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	whole := func(f float64) string { return count(int64(f + 0.5)) }
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-14s"+format+"\n", append([]any{name}, args...)...)
	}
	fmt.Fprintf(&b, "million  %s live WebSocket connections\n\n", count(int64(r.Connections)))
	line("machine", "%s, %d cores, %s, %s, %s", r.Processor, r.Cores, gib(r.MemoryBytes), r.Kernel, r.Go)
	line("processes", "%d servers and %d of clients, at most %s connections each; GOMAXPROCS=1", r.Processes, r.Processes, count(int64(r.PerProcess)))
	line("sockets", "%s as the kernel counts them: both ends, and the listeners", count(r.Sockets))
	line("opened", "in %.1f s, %s a second", r.Open.Seconds, whole(r.Open.PerSecond))
	line("", "CPU each: server %.1f µs (user %.1f), client %.1f µs", r.Open.ServerAll, r.Open.ServerUser, r.Open.ClientAll)
	line("", "other programs used %.2f of %d cores", r.Open.Others, r.Cores)
	line("server memory", "%s bytes a connection: all servers %s before, %s after", whole(r.Memory.ServerEach), mib(r.Memory.ServersBefore), mib(r.Memory.ServersAfter))
	line("", "%s of them anonymous; the rest are pages of the program, which the processes share", whole(r.Memory.ServerAnonymous))
	line("kernel memory", "%s bytes a connection, both ends: MemAvailable was %s, and is %s", whole(r.Memory.Kernel), gib(r.Memory.AvailableBefore), gib(r.Memory.AvailableAfter))
	line("", "without what the processes have: servers %s, clients %s bytes each (slab: %s)", whole(r.Memory.ServerEach), whole(r.Memory.ClientEach), whole(r.Memory.Slab))
	line("published", "%d bytes, once into each of %d server processes: %s deliveries, each checked", r.Publish.Bytes, r.Publish.Published, count(int64(r.Publish.Deliveries)))
	line("", "the last client had it after %.2f s, %s a second", r.Publish.Seconds, whole(r.Publish.PerSecond))
	line("", "CPU each: server %.2f µs (user %.2f), client %.2f µs", r.Publish.ServerAll, r.Publish.ServerUser, r.Publish.ClientAll)
	line("", "other programs used %.2f of %d cores", r.Publish.Others, r.Cores)
	line("pings", "after %v of silence", time.Duration(r.PingSeconds*float64(time.Second)))
	_, err := io.WriteString(w, b.String())
	return err
}
