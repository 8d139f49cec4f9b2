package machine

import (
	"io/fs"
	"math"
	"path"
	"slices"
	"strconv"
	"strings"
)

// limit returns the memory of a Linux machine, or less where a cgroup of this process has a limit.
func limit(root fs.FS) int64 {
	n := total(read(root, "proc/meminfo"))
	mounts := parseMounts(read(root, "proc/self/mountinfo"))
	for _, g := range parseGroups(read(root, "proc/self/cgroup")) {
		for _, m := range mounts {
			if m.carries(g) {
				n = least(n, m.limit(root, g))
			}
		}
	}
	return n
}

// read returns the text of a file; empty if it cannot be read.
func read(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(b)
}

// total reads /proc/meminfo.
func total(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, found := strings.CutPrefix(line, "MemTotal:"); found {
			if kib := number(strings.TrimSuffix(strings.TrimSpace(rest), " kB")); kib <= math.MaxInt64>>10 {
				return kib << 10
			}
		}
	}
	return 0
}

// number reads a limit; 0: there is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n >= none {
		return 0
	}
	return n
}

// none is the limit that version 1 reports where there is none, or more: the largest number of
// whole pages. A page has at most 64 KiB.
const none = math.MaxInt64 &^ (64<<10 - 1)

// group is a cgroup of this process.
type group struct {
	unified bool // version 2
	path    string
}

// parseGroups reads /proc/self/cgroup: the cgroups that can limit memory (cgroups(7)).
//
//	0::/system.slice/maru.service      version 2
//	4:memory:/docker/1713              version 1
func parseGroups(text string) (all []group) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) < 3 || !strings.HasPrefix(parts[2], "/") {
			continue
		}
		unified := parts[0] == "0" && parts[1] == ""
		if unified || slices.Contains(strings.Split(parts[1], ","), "memory") {
			all = append(all, group{unified, parts[2]})
		}
	}
	return all
}

// mount is a file system of cgroups.
type mount struct {
	unified     bool
	root, point string // the cgroup that is mounted, and where
}

// parseMounts reads /proc/self/mountinfo: the file systems of cgroups that can limit memory
// (proc_pid_mountinfo(5)).
//
//	35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
func parseMounts(text string) (all []mount) {
	for line := range strings.Lines(text) {
		before, after, _ := strings.Cut(line, " - ")
		at, kind := strings.Fields(before), strings.Fields(after)
		if len(at) < 6 || len(kind) < 3 {
			continue
		}
		unified := kind[0] == "cgroup2"
		if unified || kind[0] == "cgroup" && slices.Contains(strings.Split(kind[2], ","), "memory") {
			all = append(all, mount{unified, unescape(at[3]), unescape(at[4])})
		}
	}
	return all
}

// unescape replaces the octal escapes of white space and backslashes.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace

func (m mount) carries(g group) bool { return m.unified == g.unified }

// limit returns the least limit of the group and of those above it, up to the mount point.
func (m mount) limit(root fs.FS, g group) (n int64) {
	files := []string{"memory.limit_in_bytes"}
	if m.unified {
		files = []string{"memory.max", "memory.high"}
	}
	point := path.Clean("/" + m.point)
	for dir := m.directory(g); ; dir = path.Dir(dir) {
		for _, file := range files {
			n = least(n, number(read(root, strings.TrimPrefix(path.Join(dir, file), "/"))))
		}
		if dir == point || dir == "/" {
			return n
		}
	}
}

// directory returns where the group is mounted. In a container it may not be visible: then it is
// the mount point.
func (m mount) directory(g group) string {
	rest, below := strings.CutPrefix(path.Clean(g.path), strings.TrimSuffix(path.Clean("/"+m.root), "/"))
	if !below || strings.HasPrefix(g.path, "/..") || rest != "" && rest[0] != '/' {
		rest = ""
	}
	return path.Join("/", m.point, rest)
}
