package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// process is another process of this machine, looked at through /proc.
type process struct {
	pid  int
	stat *os.File // stays the same process's, even if another gets its number
}

// userHZ is the unit of times in /proc/PID/stat: 100 a second on every Linux that
// Go runs on (proc(5), sysconf(_SC_CLK_TCK)).
const userHZ = 100

func watch(pid int, flag string) (*process, error) {
	stat, err := os.Open(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, usagef("%s: there is no process %d", flag, pid)
	}
	return &process{pid, stat}, nil
}

func (p *process) close() { p.stat.Close() }

func (p *process) usage() (usage, error) {
	var b [1024]byte
	n, err := p.stat.ReadAt(b[:], 0)
	if n == 0 {
		return usage{}, fmt.Errorf("process %d: %w", p.pid, err)
	}
	// The second field, the name, may hold anything; it ends with the last ).
	fields := bytes.Fields(b[bytes.LastIndexByte(b[:n], ')')+1 : n])
	if len(fields) < 13 || fields[0][0] == 'Z' {
		return usage{}, fmt.Errorf("process %d has ended", p.pid)
	}
	user, _ := strconv.ParseInt(string(fields[11]), 10, 64)
	system, _ := strconv.ParseInt(string(fields[12]), 10, 64)
	u := usage{user: time.Duration(user) * time.Second / userHZ, system: time.Duration(system) * time.Second / userHZ}
	if u.cpu, err = cpuClock(p.pid); err != nil {
		u.cpu = u.user + u.system
	}
	return u, nil
}

// cpuClock reads a process's CPU clock, exact to the nanosecond where
// /proc/PID/stat has steps of 10 ms (clock_getcpuclockid(3), whose clock's number
// is the complement of the process's, shifted, and the clock's kind: 2 is the
// scheduler's).
func cpuClock(pid int) (time.Duration, error) {
	const schedulerClock = 2
	var now syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|schedulerClock), uintptr(unsafe.Pointer(&now)), 0)
	if errno != 0 {
		return 0, errno
	}
	return time.Duration(now.Nano()), nil
}

// resident is the process's resident memory in bytes, quickly and nearly: the
// kernel counts in batches for each core.
func (p *process) resident() int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// residentExactly walks the pages, which takes milliseconds and the right to
// trace the process; without it, it is resident.
func (p *process) residentExactly() int64 {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.pid))
	_, rest, found := bytes.Cut(rollup, []byte("\nRss:"))
	fields := bytes.Fields(rest)
	if err != nil || !found || len(fields) == 0 {
		return p.resident()
	}
	kib, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10
}

func (p *process) name() string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.pid))
	return string(bytes.TrimSpace(comm))
}

// pause sleeps with the kernel's own precision; the Go runtime's timers round up
// to a millisecond where nothing else happens.
func pause(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&t, nil)
}

func kernel() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return "Linux " + string(bytes.TrimSpace(release))
}

// processor counts all cores, not only those that this process may use.
func processor() (name string, cores int) {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(bytes.TrimSpace(key)) {
		case "processor":
			cores++
		case "model name":
			name = string(bytes.TrimSpace(value))
		}
	}
	return name, cores
}
