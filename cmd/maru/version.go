package main

import (
	"fmt"
	"runtime/debug"
)

// version is what the Go tool recorded when it built the program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "maru (unknown build)"
	}
	name := info.Main.Version
	if name == "" {
		name = "(devel)"
	}
	return fmt.Sprintf("maru %s %s", name, info.GoVersion)
}
