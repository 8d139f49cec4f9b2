//go:build unix

package store

import (
	"fmt"
	"os"
	"syscall"
)

// identityOf names a directory: a copy of it has another identity, and the same directory
// under another path has not. It is empty where the system has no such thing.
func identityOf(dir string) string {
	info, err := os.Stat(dir)
	if err != nil {
		return ""
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprintf("%d:%d", s.Dev, s.Ino)
	}
	return ""
}
