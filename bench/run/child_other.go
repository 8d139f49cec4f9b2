//go:build !unix

package main

import (
	"errors"
	"os/exec"
)

func alone(*exec.Cmd)         {}
func collect(*exec.Cmd) error { return errors.ErrUnsupported }
func finish(*exec.Cmd) error  { return errors.ErrUnsupported }
