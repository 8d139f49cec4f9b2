package bench

import "time"

// usage is what a process has used so far.
type usage struct {
	cpu          time.Duration // its own CPU clock, all threads, those that have ended too
	user, system time.Duration // the kernel's split of it, in steps of 10 ms
}

// since is what was used from before until u.
func (u usage) since(before usage) usage {
	return usage{u.cpu - before.cpu, u.user - before.user, u.system - before.system}
}
