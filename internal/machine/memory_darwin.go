package machine

import (
	"encoding/binary"
	"syscall"
)

func memory() int64 {
	s, err := syscall.Sysctl("hw.memsize")
	if err != nil {
		return 0
	}
	var b [8]byte
	copy(b[:], s) // Sysctl takes the last zero byte of a number for the end of a string
	return int64(binary.LittleEndian.Uint64(b[:]))
}
