//go:build !unix

package bench

import "time"

func openFiles() int        { return 0 }
func ownCPU() time.Duration { return 0 }
