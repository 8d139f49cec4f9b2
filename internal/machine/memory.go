package machine

// Memory returns the bytes of memory that this process may use; 0: unknown. It reads files, and
// the result may change while the process runs.
func Memory() int64 { return memory() }

// Ceiling returns three quarters of Memory: a memory ceiling for a process that is alone. The rest is
// for the kernel's buffers, for the program's own text, and for the fifth by which a ceiling may be
// exceeded.
func Ceiling() int64 { return Memory() / 4 * 3 }

// least returns the smallest of those that are known, above 0.
func least(all ...int64) (n int64) {
	for _, m := range all {
		if m > 0 && (n == 0 || m < n) {
			n = m
		}
	}
	return n
}
