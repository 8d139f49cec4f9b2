package machine

import (
	"os"
	"strings"
)

// BootID identifies this boot of the machine; empty where the system does not tell it.
func BootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}
