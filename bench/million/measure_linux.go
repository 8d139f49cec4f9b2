package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// resident is this process's resident memory in bytes, and what of it belongs to
// no file: not the program itself, which all processes share.
func resident() (all, anonymous int64) {
	values := fields("/proc/self/smaps_rollup")
	return values["Rss"] << 10, values["Anonymous"] << 10
}

// fields reads lines of "Name: value unit".
func fields(file string) map[string]int64 {
	content, _ := os.ReadFile(file)
	values := make(map[string]int64)
	for line := range bytes.Lines(content) {
		name, rest, _ := bytes.Cut(line, []byte(":"))
		if words := bytes.Fields(rest); len(words) > 0 {
			values[string(name)], _ = strconv.ParseInt(string(words[0]), 10, 64)
		}
	}
	return values
}

// machine is how it stands with all of it, others' programs included.
type machine struct {
	at        time.Time
	available int64         // MemAvailable, bytes
	slab      int64         // of the kernel: sockets, files, and all other small things
	busy      time.Duration // of all cores since the start of the machine
}

// userHZ is the unit of /proc/stat on every Linux that Go runs on.
const userHZ = 100

func lookAtMachine() machine {
	memory := fields("/proc/meminfo")
	m := machine{at: time.Now(), available: memory["MemAvailable"] << 10, slab: memory["Slab"] << 10}
	stat, _ := os.ReadFile("/proc/stat")
	line, _, _ := bytes.Cut(stat, []byte("\n")) // cpu user nice system idle iowait irq softirq steal guest guest_nice
	for i, word := range bytes.Fields(line) {
		switch i {
		case 1, 2, 3, 6, 7, 8:
			ticks, _ := strconv.ParseInt(string(word), 10, 64)
			m.busy += time.Duration(ticks) * time.Second / userHZ
		}
	}
	return m
}

// socketsHere is how many TCP sockets this network namespace has, as the kernel
// counts them.
func socketsHere() int64 {
	content, _ := os.ReadFile("/proc/net/sockstat")
	for line := range bytes.Lines(content) {
		if words := bytes.Fields(line); len(words) > 2 && string(words[0]) == "TCP:" {
			n, _ := strconv.ParseInt(string(words[2]), 10, 64)
			return n
		}
	}
	return 0
}

func processor() (name string, cores int) {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		field, value, _ := bytes.Cut(line, []byte(":"))
		switch string(bytes.TrimSpace(field)) {
		case "processor":
			cores++
		case "model name":
			name = string(bytes.TrimSpace(value))
		}
	}
	return name, cores
}

func kernel() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return "Linux " + string(bytes.TrimSpace(release))
}

// usage is the sum over processes of one kind.
type usage struct {
	resident, anonymous int64
	user, system        time.Duration
}

func (u *usage) add(s state) {
	u.resident += s.Resident
	u.anonymous += s.Anonymous
	u.user += s.User
	u.system += s.System
}

func (u usage) cpu() time.Duration { return u.user + u.system }

// survey is one look at everything.
type survey struct {
	servers, clients usage
	machine          machine
}

// others is how many cores other programs and the kernel's own work used from a to b.
func others(a, b survey) float64 {
	ours := b.servers.cpu() - a.servers.cpu() + b.clients.cpu() - a.clients.cpu()
	return max(0, (b.machine.busy-a.machine.busy-ours).Seconds()/b.machine.at.Sub(a.machine.at).Seconds())
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// count writes 1000000 as 1,000,000.
func count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
