//go:build !linux

package bench

import (
	"errors"
	"runtime"
	"time"
)

// process is not supported here: watch refuses it.
type process struct{ pid int }

var errUnsupported = errors.New("not supported on this system")

func watch(_ int, flag string) (*process, error) {
	return nil, usagef("%s: works on Linux only; remove it", flag)
}

func (*process) close()                 {}
func (*process) usage() (usage, error)  { return usage{}, errUnsupported }
func (*process) resident() int64        { return 0 }
func (*process) residentExactly() int64 { return 0 }
func (*process) name() string           { return "" }

func pause(d time.Duration) { time.Sleep(d) }

func kernel() string           { return runtime.GOOS }
func processor() (string, int) { return "", 0 }
