// Package machine finds how much memory this process may use: that of the machine, or less where
// its cgroups (versions 1 and 2) have a limit.
//
//	/proc/meminfo         MemTotal: 24684084 kB
//	/proc/self/cgroup     0::/system.slice/maru.service
//	/proc/self/mountinfo  … / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
//	→ the least of memory.max and memory.high in /sys/fs/cgroup/system.slice/maru.service, and in
//	  each directory above it
//
// It also tells one boot of the machine from another, and an error of a full disk from others.
//
// The parsing is pure: it reads an fs.FS, and ignores what is missing or malformed.
//
// Everything is safe for concurrent use.
package machine
