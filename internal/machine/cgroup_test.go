package machine

import (
	"testing"
	"testing/fstest"
)

const meminfo = "MemTotal:       4194304 kB\nMemFree:        15519396 kB\n" // 4 GiB

// Issue 14 §10: the memory of this process is that of its machine, or of its cgroups.
func TestLimit(t *testing.T) {
	t.Parallel()
	const v2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
	const v1 = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
		"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" +
		"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing":             {nil, 0},
		"a machine":           {map[string]string{"proc/meminfo": meminfo}, 4 << 30},
		"malformed":           {map[string]string{"proc/meminfo": "MemTotal: many kB\nMemTotal", "proc/self/cgroup": "0:\n:::\n0::x", "proc/self/mountinfo": " - \na - b"}, 0},
		"version 2, no limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/memory.max": "max\n"}, 4 << 30},
		"version 2, a container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"version 2, a unit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/maru.service\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/system.slice/maru.service/memory.max": "2147483648\n"}, 2 << 30},
		"version 2, the slice above": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/maru.service\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/system.slice/maru.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "1073741824\n"}, 1 << 30},
		"version 2, memory.high": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/memory.max": "1073741824\n", "sys/fs/cgroup/a/memory.high": "805306368\n"}, 768 << 20},
		"version 2, above what is mounted": {map[string]string{"proc/self/cgroup": "0::/../..\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/memory.max": "1048576", "memory.max": "1"}, 1 << 20},
		"version 1": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/b\n4:cpuset,memory:/a/b\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/cpu/b/memory.limit_in_bytes": "1"}, 1 << 30},
		"version 1, no limit": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/a\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, 4 << 30},
		"version 1, a container": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/docker/1713\n",
			"proc/self/mountinfo":                        "35 31 0:32 /docker/1713 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		"version 1, a group that is not visible": {map[string]string{"proc/self/cgroup": "4:memory:/process/1713\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "268435456\n"}, 256 << 20},
		"both": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/a\n0::/\n", "proc/self/mountinfo": v1 + v2,
			"sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/memory.max": "max"}, 1 << 30},
		"white space": {map[string]string{"proc/self/cgroup": "0::/a b\n", "proc/self/mountinfo": `30 23 0:26 / /my\040groups rw - cgroup2 cgroup2 rw` + "\n",
			"my groups/a b/memory.max": "4096"}, 4096},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for name, text := range tt.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := limit(root); got != tt.want {
				t.Errorf("the limit is %d, want %d", got, tt.want)
			}
		})
	}
}

// Whatever the files say, the limit is never negative and never above that of the machine.
func FuzzLimit(f *testing.F) {
	f.Add("0::/a", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", "max", "MemTotal: 1 kB")
	f.Add("4:memory:/a/../..", "35 31 0:32 /a /m ro - cgroup cgroup rw,memory", "268435456", meminfo)
	f.Fuzz(func(t *testing.T, groups, mounts, value, meminfo string) {
		root := fstest.MapFS{}
		for name, text := range map[string]string{"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, "proc/meminfo": meminfo,
			"sys/fs/cgroup/memory.max": value, "sys/fs/cgroup/a/memory.high": value, "m/memory.limit_in_bytes": value} {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		if n, most := limit(root), total(meminfo); n < 0 || most > 0 && (n == 0 || n > most) {
			t.Errorf("the limit is %d, of %d", n, most)
		}
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	if n := Memory(); n < 64<<20 {
		t.Errorf("this process may use %d bytes", n)
	}
}
