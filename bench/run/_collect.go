//go:build unix

package main

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// This file is laid over each Go server that is measured (go build -overlay), and is
// no part of any of them otherwise: SIGUSR1 makes it collect its garbage and give
// unused memory back to the system.
func init() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	go func() {
		for range asked {
			debug.FreeOSMemory()
			debug.FreeOSMemory() // what a sync.Pool holds survives one collection
		}
	}()
}
